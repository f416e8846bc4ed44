//! Cursors of listings: opaque to callers, a position inside.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use patd_core::time::Timestamp;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::view::Page;

fn bad() -> Error {
    Error::BadRequest { field: "cursor", reason: "is not one that this listing gave out".to_owned() }
}

/// A cursor after a row with a time and an id.
pub(crate) fn after_row(time: Timestamp, id: Uuid) -> String {
    B64.encode([time.0.to_be_bytes().as_slice(), id.as_bytes()].concat())
}

/// Reads such a cursor.
pub(crate) fn row(cursor: Option<&str>) -> Result<Option<(Timestamp, Uuid)>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes: [u8; 24] = B64.decode(cursor).ok().and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
    let (time, id) = bytes.split_at(8);
    match (time.try_into(), Uuid::from_slice(id)) {
        (Ok(time), Ok(id)) => Ok(Some((Timestamp(i64::from_be_bytes(time)), id))),
        _ => Err(bad()),
    }
}

/// A cursor after a name.
pub(crate) fn after_name(name: &str) -> String {
    B64.encode(name)
}

/// Reads such a cursor.
pub(crate) fn name(cursor: Option<&str>) -> Result<Option<String>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let text = B64.decode(cursor).ok().and_then(|b| String::from_utf8(b).ok()).ok_or_else(bad)?;
    let ok = text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
    if ok { Ok(Some(text)) } else { Err(bad()) }
}

/// A page from up to `limit + 1` rows: the surplus row only says that there is more.
pub(crate) fn page<T, V>(
    mut rows: Vec<T>,
    limit: u32,
    cursor: impl FnOnce(&T) -> String,
    view: impl FnMut(T) -> V,
) -> Page<V> {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(cursor) } else { None };
    Page { items: rows.into_iter().map(view).collect(), next }
}
