//! `store promote`: images that were tested in one store come into the one that is served.

use std::slice::from_ref;

use anyhow::anyhow;

use crate::cli::store::PromoteArguments;
use crate::report::Report;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::nearest;

use super::transfer::Transfer;

/// Copies what was named, all of it or nothing.
pub fn run(arguments: &PromoteArguments, report: &Report) -> Result<()> {
    super::demand_list(&arguments.from)?;
    let mut transfer = Transfer::open(
        &arguments.transfer,
        &arguments.to,
        from_ref(&arguments.from),
    )?;
    transfer.forbid_setback()?;
    transfer.read_sources(report)?;
    let images = || transfer.sources().iter().flat_map(|source| &source.images);
    for name in &arguments.names {
        if !images().any(|image| image.is_called(name)) {
            let shown = arguments.from.display();
            let failure = Failure::refused(anyhow!("{shown} has no extension or image {name}"));
            let known = images().flat_map(|image| [image.name(), image.file.as_str()]);
            return Err(match nearest(name, known) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint(format!("to list all: sysext-build store list {shown}")),
            });
        }
    }
    transfer.take_newer(&arguments.names)?;
    transfer.run(report)
}
