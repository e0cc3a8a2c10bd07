//! `build`, the default verb.

use crate::cli::BuildArguments;
use crate::failure::Result;
use crate::inputs::Inputs;
use crate::pipeline;
use crate::report::Report;

/// Builds an image, or shows the plan.
pub fn run(arguments: &BuildArguments, report: &Report) -> Result<()> {
    let inputs = Inputs::new(arguments)?;
    let built = pipeline::build(&inputs, report)?;
    if report.is_json() {
        report.json(&built);
    } else if inputs.dry_run {
        report.print(&built.plan_text());
    }
    Ok(())
}
