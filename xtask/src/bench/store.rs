//! The store without a daemon: sign-ins a second into one file, one at a time and many together, and one at a time without
//! their audit events. (Together without them would compare two ways of writing: what leaves no event is written by itself.)

use std::ffi::OsStr;

use super::program::{Programs, emptied};
use super::report::{Figures, Store};
use crate::env::Folder;
use crate::failure::Failure;
use crate::out;

/// Many enough that every group is a full one.
const TOGETHER: u32 = 256;

/// Adds the store's figures, all kinds in turn.
pub(crate) fn measure(
    args: &super::Args,
    folder: &Folder,
    programs: &Programs,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let scratch = folder.path().join("sign-ins");
    let rate = |in_flight: u32, events: &str| {
        emptied(&scratch)?;
        let (file, in_flight, seconds) =
            (scratch.join("store.db"), in_flight.to_string(), args.seconds.to_string());
        let arguments: [&OsStr; 4] =
            [file.as_os_str(), in_flight.as_ref(), seconds.as_ref(), events.as_ref()];
        programs.figures("sign_ins", &arguments).map(|[rate]| rate)
    };
    for round in 1..=args.rounds {
        out::step(format_args!("the store alone, round {round} of {}", args.rounds));
        figures.store.push(Store {
            alone: rate(1, "events")?,
            together: rate(TOGETHER, "events")?,
            alone_without_events: rate(1, "no")?,
        });
    }
    Ok(())
}
