//! `store merge`: what several jobs have built comes into one store.

use crate::cli::store::MergeArguments;
use crate::report::Report;
use crate::words::failure::Result;

use super::transfer::Transfer;

/// Takes what each store has that the other does not, all of it or nothing.
pub fn run(arguments: &MergeArguments, report: &Report) -> Result<()> {
    let mut transfer = Transfer::open(&arguments.transfer, &arguments.into, &arguments.sources)?;
    transfer.read_sources(report)?;
    transfer.take_all()?;
    transfer.take_back();
    transfer.run(report)
}
