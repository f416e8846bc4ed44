//! A list of any length as one bound value, so that its statement is prepared once.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, SimpleExpr};
use uuid::Uuid;

use crate::entity::text;

/// The ids as a JSON array.
pub(crate) fn ids(ids: impl Iterator<Item = Uuid>) -> String {
    serde_json::Value::from(ids.map(text).collect::<Vec<_>>()).to_string()
}

/// `column IN (list)`.
pub(crate) fn in_list(column: impl ColumnTrait, list: String) -> SimpleExpr {
    let column = Expr::col(column.as_column_ref());
    Expr::cust_with_exprs("? IN (SELECT value FROM json_each(?))", [column, Expr::val(list)])
}
