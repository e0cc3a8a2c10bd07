//! What a recipe says that has to hold, tried out with finished images.

use std::os::fd::AsFd as _;

use files::Links;

use crate::check::survey::{Row, Survey};
use crate::cli::CheckArguments;
use crate::findings::{Finding, kinds};
use crate::inputs::recipe;
use crate::report::Report;
use crate::trial::test::{self, Test, Tested};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;

/// Tries out the tests of the recipe that was named, with each image that is merged on the one base,
/// and adds what fails to its findings. A companion is tried with its image.
pub fn add(
    arguments: &CheckArguments,
    survey: &Survey,
    rows: &mut [Row],
    report: &Report,
) -> Result<()> {
    let Some(path) = &arguments.test else {
        return Ok(());
    };
    let tests = recipe::said(path, arguments.arch.as_deref())?.tests;
    if tests.is_empty() {
        let text = format!("--test: {} has no [[test]]", path.display());
        return Err(Failure::usage(text));
    }
    let root = (survey.targets.first()).and_then(|target| target.base.files_root());
    let Some(root) = root else {
        let failure = Failure::usage("--test: nothing can run on a base without files");
        return Err(failure.hint("name its root directory: --base ROOT"));
    };
    for row in rows.iter_mut().filter(|row| !row.is_companion) {
        if row.unaccepted(0).next().is_some() {
            continue;
        }
        let findings = failing(&tests, row, (root, arguments))?;
        let (all, shown) = (counted(tests.len(), "test"), row.path.display());
        let text = format!("{all} with {shown}, {} failed", findings.len());
        report.stage("test", &text);
        row.on_base[0].findings.extend(findings);
    }
    Ok(())
}

/// Tries out tests with an image, and the companion next to it.
fn failing(
    tests: &[Test],
    row: &Row,
    (base, arguments): (&std::path::Path, &CheckArguments),
) -> Result<Vec<Finding>> {
    let image = files::open(&row.path, Links::Follow)?;
    let companion = row
        .companion
        .as_ref()
        .map(|path| files::open(path, Links::Refuse))
        .transpose()?;
    let tested = Tested {
        image: image.as_fd(),
        companion: companion.as_ref().map(|file| file.as_fd()),
        name: &row.link,
        base,
        os_release: arguments
            .os_release
            .first()
            .map(std::path::PathBuf::as_path),
    };
    let failures = test::failures(tests, tested)?.into_iter();
    Ok(failures
        .map(|failure| Finding::new(&kinds::TEST_FAILED, failure))
        .collect())
}
