//! Answers DIGESTS: the database groups and counts, so that no digest leaves it but one for each group, cut here.

use patd_proto::store::DigestGroup;
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::entity::{Misfit, password, text, token};
use crate::error::Error;

/// A stored text up to its salt: `rtrim` takes away all that is no `$` from the end, and then the `$`, twice.
fn up_to_the_salt() -> SimpleExpr {
    const PLAIN: &str = "replace(\"digest\", '$', '')";
    Expr::cust(format!("rtrim(rtrim(rtrim(\"digest\", {PLAIN}), '$'), {PLAIN})"))
}

pub(crate) async fn groups(db: &impl ConnectionTrait, site: Option<Uuid>) -> Result<Vec<DigestGroup>, Error> {
    let rows: Vec<(String, i64)> = match site {
        None => {
            let passwords = password::Entity::find().select_only();
            let one = passwords.column_as(password::Column::Digest.min(), "one");
            let counted = one.column_as(password::Column::Digest.count(), "many");
            counted.group_by(up_to_the_salt()).into_tuple().all(db).await?
        }
        Some(site) => {
            let tokens = token::Entity::find()
                .select_only()
                .filter(token::Column::Site.eq(text(site)))
                .filter(token::Column::EndedAt.is_null());
            let one = tokens.column_as(token::Column::Digest.min(), "one");
            let counted = one.column_as(token::Column::Digest.count(), "many");
            counted.group_by(up_to_the_salt()).into_tuple().all(db).await?
        }
    };
    rows.into_iter()
        .map(|(one, many)| {
            let (sample, _digest) = one.rsplit_once('$').ok_or(Misfit { place: "digest" })?;
            let count = u64::try_from(many).map_err(|_| Misfit { place: "digest" })?;
            Ok(DigestGroup { sample: sample.to_owned(), count: patd_proto::wire::Nat(count) })
        })
        .collect()
}
