//! `store sign`: a new signature of the list, and the public key beside it.

use std::path::PathBuf;

use serde::Serialize;
use store::{Listing, Store};

use crate::cli::store::SignArguments;
use crate::inputs;
use crate::publish::signing;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};

#[derive(Serialize)]
struct Signed {
    directories: Vec<PathBuf>,
    /// Fingerprint of the key, if one signed.
    signed_by: Option<String>,
}

/// Signs each list.
pub fn run(arguments: &SignArguments, report: &Report) -> Result<()> {
    let key = inputs::key(&arguments.signing)?;
    if key.is_none() && arguments.best_before.is_none() {
        return Err(Failure::usage("no key to sign with is named")
            .hint("name one: --sign-key FILE or --gpg-key KEY"));
    }
    let directories = super::directories(&arguments.directory)?;
    let signer = signing::open(key.as_ref(), inputs::now()?, &directories)?;
    for finding in signer.iter().flat_map(|signer| &signer.findings) {
        report.note(finding);
    }
    for directory in &directories {
        let store = Store::open(directory).map_err(store_failure)?;
        let mut sign = signing::sign_with(signer.as_ref());
        store
            .sign(Listing {
                sign: sign.as_mut().map(|sign| sign as _),
                best_before: arguments.best_before,
            })
            .map_err(store_failure)?;
        if let Some(signer) = &signer {
            signer.publish_key(&store)?;
        }
    }
    let signed = Signed {
        signed_by: signer.map(|signer| signer.fingerprint()),
        directories,
    };
    if report.is_json() {
        report.json(&signed);
        return Ok(());
    }
    for directory in &signed.directories {
        let list = directory.join("SHA256SUMS");
        let by = match &signed.signed_by {
            Some(key) => format!("signed by key {key}"),
            None => "not signed".to_owned(),
        };
        report.print(&format!("{}: {by}\n", list.display()));
    }
    Ok(())
}
