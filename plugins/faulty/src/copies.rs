//! Sins of a store against BACKUP, EXPORT, IMPORT and DIGESTS.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use patd_proto::store::{
    Backup, DigestGroups, Digests, Empty, Export, Found, Import, Piece, Query, Row, SCHEMA, Tally, op,
};
use patd_proto::wire::Nat;
use patd_sdk::Failure;
use patd_store_model::{Memory, tally};

use crate::journal::Line;
use crate::sin::Sin;
use crate::store::{FaultyStore, Open, read, write};

impl FaultyStore {
    pub(crate) fn copies(&self, open: &mut Open, op: u32, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        match op {
            op::BACKUP => {
                let request: Backup = read(payload)?;
                self.backup(Path::new(&request.path))
                    .map_err(|error| Failure::invalid(format!("{}: {error}", request.path)))?;
                write(&Empty { schema: SCHEMA })
            }
            op::EXPORT => self.export(&open.memory, &read(payload)?),
            op::IMPORT => {
                self.import(open, read(payload)?)?;
                write(&Empty { schema: SCHEMA })
            }
            op::DIGESTS => self.digests(&open.memory, &read(payload)?),
            other => Err(Failure::unsupported(other)),
        }
    }

    fn backup(&self, path: &Path) -> std::io::Result<()> {
        let sin = self.config.now();
        let mut options = File::options();
        options.write(true).mode(0o600);
        if sin == Sin::BackupOverwrites {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let mut file = options.open(path)?;
        let journal = fs::read_to_string(&self.journal)?;
        match sin {
            Sin::BackupEmpty => {}
            Sin::BackupTorn => file.write_all(torn(&journal).as_bytes())?,
            _ => file.write_all(journal.as_bytes())?,
        }
        if sin == Sin::BackupForAll {
            file.set_permissions(Permissions::from_mode(0o644))?;
        }
        file.sync_all()
    }

    fn export(&self, memory: &Memory, request: &Export) -> Result<Vec<u8>, Failure> {
        let place = || Failure::invalid("`after` is no place of this store");
        let mut exported = memory.export(request).ok_or_else(place)?;
        match self.config.now() {
            Sin::ExportLosesARow => {
                exported.pieces.retain(|piece| !matches!(piece, Piece::Row(Row::Invitation(_))));
                if let Some(has) = &mut exported.has {
                    has.invitations = 0;
                }
            }
            Sin::ExportUnordered => exported.pieces.reverse(),
            _ => {}
        }
        write(&exported)
    }

    fn import(&self, open: &mut Open, request: Import) -> Result<(), Failure> {
        let sin = self.config.now();
        let Import { mut pieces, finish, .. } = request;
        let staged = open.importing.take();
        if staged.is_none() && !open.memory.pieces().is_empty() && sin != Sin::ImportIntoFull {
            return Err(Failure::invalid("the store to copy into is not empty"));
        }
        if sin == Sin::ImportRenumbers {
            for piece in &mut pieces {
                if let Piece::Row(Row::Token(token)) = piece {
                    token.version = Nat(1);
                }
            }
        }
        let mut staged = staged.unwrap_or_else(|| open.memory.clone());
        if !staged.import(pieces) {
            return Err(Failure::invalid("a piece is there already, or fits nowhere"));
        }
        if sin == Sin::ImportKeepsPart {
            open.memory = staged.clone();
        }
        let Some(wanted) = finish else {
            open.importing = Some(staged);
            return Ok(());
        };
        let has: Tally = tally(&staged.pieces());
        if has != wanted {
            return Err(Failure::invalid(format!("the copy would have {has:?} instead of {wanted:?}")));
        }
        self.keep(open, &Line::Import(staged.pieces()))?;
        open.memory = staged;
        Ok(())
    }

    fn digests(&self, memory: &Memory, request: &Digests) -> Result<Vec<u8>, Failure> {
        let mut groups = memory.digests(request);
        match (self.config.now(), groups.first_mut(), request.site) {
            (Sin::DigestsWrong, Some(first), _) => first.count.0 += 1,
            (Sin::DigestsTold, Some(first), Some(site)) => {
                let all = Query::Tokens { site, owner: None, ended_since: None, after: None, limit: 1000 };
                if let Found::Tokens(tokens) = memory.query(&all) {
                    let mut texts = tokens.into_iter().map(|token| token.digest.0);
                    first.sample = texts.find(|text| text.starts_with(&first.sample)).unwrap_or_default();
                }
            }
            _ => {}
        }
        write(&DigestGroups { schema: SCHEMA, groups })
    }
}

/// The journal with an empty last change, whose events are all that is left of it.
fn torn(journal: &str) -> String {
    let lines: Vec<&str> = journal.lines().collect();
    let last = lines.iter().rposition(|line| matches!(serde_json::from_str(line), Ok(Line::Change(_))));
    let mut torn = String::new();
    for (number, line) in lines.into_iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(Line::Change(mut changes)) if Some(number) == last => {
                changes.write.clear();
                torn.push_str(&serde_json::to_string(&Line::Change(changes)).unwrap_or_default());
            }
            _ => torn.push_str(line),
        }
        torn.push('\n');
    }
    torn
}
