//! `store remove`: an extension goes, or one of its images.
//!
//! Clients keep what they have installed: `store remove` says so, since nothing tells them.

use store::{ListedImage, Listing, Store};

use super::prune::Removed;
use crate::cli::store::RemoveArguments;
use crate::inputs;
use crate::publish::signing;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::suggest::nearest;

/// Removes what was named, all of it or nothing, or shows what that is.
pub fn run(arguments: &RemoveArguments, report: &Report) -> Result<()> {
    let mut directories = Vec::new();
    let mut images = Vec::new();
    for directory in super::directories(&arguments.directory)? {
        let store = Store::open(&directory).map_err(store_failure)?;
        let listed = store.images().map_err(store_failure)?;
        if listed.iter().any(|image| is_meant(image, &arguments.names)) {
            directories.push(directory);
        }
        images.extend(listed);
    }
    check(arguments, &images)?;
    let signer = match arguments.dry_run {
        true => None,
        false => signing::open_to_extend(&inputs::signing(&arguments.signing)?, &directories)?,
    };
    for finding in signer.iter().flat_map(|signer| &signer.findings) {
        report.note(finding);
    }
    let mut removed = Removed::new(arguments.dry_run);
    for directory in directories {
        let listing = Listing {
            signing: (signer.as_ref()).map(|signer| signer.signing(&directory)),
            ..Listing::default()
        };
        let store = Store::open(&directory).map_err(store_failure)?;
        let gone =
            (store.remove(&arguments.names, arguments.dry_run, listing)).map_err(store_failure)?;
        if let Some(signer) = &signer {
            signer.conclude(&store, report)?;
        }
        removed.add(directory, gone);
    }
    removed.tell(report)?;
    if !arguments.dry_run {
        report.stage("note", "clients keep what they have installed of it");
    }
    Ok(())
}

fn is_meant(image: &ListedImage, names: &[String]) -> bool {
    names.iter().any(|name| image.is_called(name))
}

/// Refuses names that nothing has, and to leave nothing.
fn check(arguments: &RemoveArguments, images: &[ListedImage]) -> Result<()> {
    let shown = arguments.directory.display();
    for name in &arguments.names {
        if !images.iter().any(|image| image.is_called(name)) {
            let failure =
                Failure::refused(anyhow::anyhow!("{shown} has no extension or image {name}"));
            let known = (images.iter()).flat_map(|image| [image.name(), image.file.as_str()]);
            return Err(match nearest(name, known) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint(format!("to list all: sysext-build store list {shown}")),
            });
        }
    }
    let is_left = |image: &ListedImage| !is_meant(image, &arguments.names);
    let left = images.iter().filter(|image| is_left(image));
    // What is alone already may go, and stay.
    if let Some(half) = (store::halves_of(left).difference(&store::halves_of(images.iter()))).next()
    {
        let text = anyhow::anyhow!("{} would stay without {}", half.file, half.other);
        return Err(Failure::refused(text).hint(format!("to remove both, name {}", half.file)));
    }
    match arguments.empty || images.iter().any(is_left) {
        true => Ok(()),
        false => Err(
            Failure::refused(anyhow::anyhow!("nothing would be left in {shown}"))
                .hint("to empty the store: add --empty"),
        ),
    }
}
