//! Short words for the columns and indexes of this schema. Must never change what a released migration makes.

use sea_orm_migration::prelude::{
    ColumnDef, ConditionalStatement, DbErr, Expr, ExprTrait, Index, IndexCreateStatement, IndexOrder,
    SchemaManager, Table, TableCreateStatement,
};

pub(crate) fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).to_owned()
}

/// An id: UUID text.
pub(crate) fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(36).not_null().to_owned()
}

pub(crate) fn id_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(36).null().to_owned()
}

/// A word or a name that may be in an index.
pub(crate) fn name(name: &'static str, len: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(len).not_null().to_owned()
}

pub(crate) fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().to_owned()
}

pub(crate) fn text_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().null().to_owned()
}

/// A time, span, epoch, version or count.
pub(crate) fn int(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().to_owned()
}

pub(crate) fn int_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().to_owned()
}

pub(crate) fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().to_owned()
}

/// A position that rises and is never used twice.
pub(crate) fn position(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().auto_increment().primary_key().to_owned()
}

/// Adds a column; SQLite takes one at a time.
pub(crate) async fn add(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: ColumnDef,
) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await
}

pub(crate) fn index(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table).to_owned();
    for column in columns {
        index.col((*column, IndexOrder::Asc));
    }
    index
}

/// A unique index over the rows that are not ended.
pub(crate) fn where_null(mut index: IndexCreateStatement, column: &'static str) -> IndexCreateStatement {
    index.and_where(Expr::col(column).is_null());
    index
}
