//! `store page`: what people and programs read of a store.

use anyhow::anyhow;
use serde::Serialize;
use store::{Store, StoreUrl};

use super::{demand_list, report_left_out};
use crate::cli::delivery::PageArguments;
use crate::inputs;
use crate::publish::page::{self, Index};
use crate::publish::signing;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};

const PAGE: &str = "index.html";
const INDEX: &str = "index.json";

#[derive(Serialize)]
struct Written<'a> {
    index: &'a Index,
    left_out: &'a [String],
}

/// Writes `index.html` and `index.json`.
pub fn run(arguments: &PageArguments, report: &Report) -> Result<()> {
    let url = arguments.url.as_deref().map(address).transpose()?;
    let directory = &arguments.directory;
    demand_list(directory)?;
    let reading = page::read(directory, &arguments.title, url)?;
    report_left_out(&reading.left_out, report);
    // What nobody vouches for is not what people are told to run.
    if let Some(error) = reading.undefined {
        return Err(store_failure(error).hint("write it again: sysext-build store sysupdate DIR"));
    }
    let notes = inputs::notes()?;
    for (path, fingerprint) in &reading.signers {
        let store = Store::open_for_reading(path).map_err(store_failure)?;
        if let Some(text) = signing::other_signer(&notes, &store, fingerprint) {
            let signature = path.join(store::SIGNATURE);
            let text = anyhow!("{} {text}", signature.display());
            return Err(Failure::refused(text).hint(
                "if the key is your new one: sysext-build store sign DIR --sign-key KEY --new-key",
            ));
        }
    }
    let index = &reading.index;
    let json = index
        .to_json()
        .map_err(|error| Failure::io(format!("writing {INDEX}"), error))?;
    for (name, bytes) in [(INDEX, json), (PAGE, page::page(index).into_bytes())] {
        let path = directory.join(name);
        let changed = store::replace_file(&path, &bytes).map_err(store_failure)?;
        let same = if changed { "" } else { "  unchanged" };
        report.stage("page", &format!("{}{same}", path.display()));
    }
    if report.is_json() {
        report.json(&Written {
            index,
            left_out: &reading.left_out,
        })?;
    }
    Ok(())
}

/// Checks an address that people copy: it is one address, not one for each client.
fn address(text: &str) -> Result<String> {
    let refused = |why: &dyn std::fmt::Display| Failure::usage(format!("--url {text:?} {why}"));
    let url = StoreUrl::new(text).map_err(|problem| refused(&problem))?;
    if url.has_specifiers() {
        return Err(refused(&"contains a specifier, which browsers do not know")
            .hint("make a page for each directory, with the directory's own address"));
    }
    if let Some(found) = text.chars().find(|c| "$&();*!~[]=,@".contains(*c)) {
        // Only these are both in URLs and special to a shell or to its history.
        return Err(refused(&format!(
            "contains {found:?}, which has a special meaning in a shell"
        )));
    }
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            (
                "https://example.org/a%20b",
                Ok("https://example.org/a%20b/"),
            ),
            ("https://example.org/%w/", Err("contains a specifier")),
            ("https://example.org/$(id)/", Err("contains '$'")),
            ("javascript:alert(1)", Err("does not begin with")),
        ] {
            match (address(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(failure), Err(fragment)) => {
                    assert!(failure.source.to_string().contains(fragment), "{failure:?}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
