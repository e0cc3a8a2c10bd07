//! `gate`: asked on a host before it updates its OS, by the verdicts that its store has.
//!
//! Nothing is judged here: whoever runs the store has done that, and signed it. The answer is "no"
//! where nobody vouches for the verdicts, where they are stale, and where there are none for the OS
//! in question: what is not known can't be relied on.

use anyhow::anyhow;
use architecture::Architecture;
use clients::{MAX_RELEASE_SIZE, Release};
use files::Links;
use serde::Serialize;
use store::{COMPAT, Compatibility, JudgedBase, MAX_COMPAT};

use crate::check::verdict::Word;
use crate::cli::GateArguments;
use crate::inputs;
use crate::report::Report;
use crate::served::{Place, Trusted};
use crate::words::failure::{Failure, Result};
use crate::words::text::{Text, Tone};

#[derive(Serialize)]
struct Answer {
    passes: bool,
    /// The system, by the name that the store has for it.
    base: String,
    /// How much the store's owner knew of it.
    known: String,
    /// Fingerprint of the key that signed the verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    extensions: Vec<ExtensionAnswer>,
}

#[derive(Serialize)]
struct ExtensionAnswer {
    name: String,
    stays: bool,
    /// The image that is best there.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    because: Vec<String>,
}

/// Asks the store.
pub fn run(arguments: &GateArguments, report: &Report) -> Result<()> {
    let bytes = files::read(&arguments.os_release, MAX_RELEASE_SIZE, Links::Follow)?;
    let next = Release::parse(&bytes).unwrap_or_default();
    if next.get("ID").is_none() {
        let path = arguments.os_release.display();
        let text = anyhow!("{path} is not an os-release file: it has no ID");
        return Err(Failure::refused(text));
    }
    let architecture = match arguments.arch.as_deref() {
        Some(name) => Some(inputs::architecture(name)?),
        None => Architecture::of_this_machine(),
    };
    let trusted = Trusted::of(&arguments.trust)?;
    let place = Place::open(&arguments.store, &arguments.network)?;
    let list = place.list(trusted.as_ref())?;
    let verdicts = place.file(COMPAT, MAX_COMPAT)?;
    let now = inputs::clock()?;
    let verdicts =
        Compatibility::of_list(&list.bytes, verdicts.as_deref(), now).map_err(|problem| {
            Failure::refused(anyhow!("{}: the verdicts {problem}", arguments.store)).hint(
                "the store's owner has to judge its images: sysext-build store gate DIR --base \
                 NEW --write",
            )
        })?;
    let wanted = JudgedBase::new(next.keys(), architecture.map(Architecture::systemd), "");
    let Some((name, base)) = verdicts.bases.iter().find(|(_, base)| base.is(&wanted)) else {
        let known: Vec<_> = verdicts.bases.keys().map(String::as_str).collect();
        return Err(Failure::refused(anyhow!(
            "{}: nobody has judged the images for {}; they were judged for {}",
            arguments.store,
            wanted.name(),
            known.join(", ")
        )));
    };
    let mut names = arguments.names.clone();
    if names.is_empty() {
        let all = verdicts.images.values().map(|image| image.name.clone());
        names = all.collect();
    }
    names.sort();
    names.dedup();
    let extensions = names.iter();
    let extensions: Vec<_> = extensions
        .map(|extension| judged(extension, name, &verdicts, arguments.strict))
        .collect();
    let answer = Answer {
        passes: extensions.iter().all(|extension| extension.stays),
        base: name.clone(),
        known: base.known.clone(),
        signed_by: list.signed_by,
        extensions,
    };
    match report.is_json() {
        true => report.json(&answer)?,
        false => report.print(&text(&answer))?,
    }
    match answer.passes {
        true => Ok(()),
        false => Err(Failure::refused(anyhow!("extensions would be lost")).answered()),
    }
}

/// Says whether an extension stays on a system, by its best image there.
fn judged(
    extension: &str,
    base: &str,
    verdicts: &Compatibility,
    is_strict: bool,
) -> ExtensionAnswer {
    let images = verdicts.images.iter();
    let own = images.filter(|(_, image)| image.name == extension);
    let on_base = own.filter_map(|(file, image)| {
        let judged = image.on.get(base)?;
        // A word that is not known here is none to rely on.
        let word = Word::of(&judged.word).unwrap_or(Word::Breaks);
        Some((word, file, judged))
    });
    let Some((word, file, judged)) = on_base.min_by_key(|(word, ..)| *word) else {
        return ExtensionAnswer {
            name: extension.to_owned(),
            stays: false,
            image: None,
            word: None,
            because: vec!["the store has no image of it".to_owned()],
        };
    };
    ExtensionAnswer {
        name: extension.to_owned(),
        stays: match is_strict {
            true => word == Word::Works,
            false => word.is_good(),
        },
        image: Some(file.clone()),
        word: Some(judged.word.clone()),
        because: judged.because.clone(),
    }
}

fn text(answer: &Answer) -> Text {
    let mut text = Text::default();
    for extension in &answer.extensions {
        let (word, tone) = match extension.stays {
            true => ("stays", Tone::Good),
            false => ("lost ", Tone::Bad),
        };
        let mut line = format!("  {}", extension.name);
        if let (Some(image), Some(said)) = (&extension.image, &extension.word) {
            line += &format!(": {image} {said} on {}", answer.base);
        }
        text.toned(word, tone, line);
        if extension.stays && extension.word.as_deref() == Some(Word::Works.text()) {
            continue;
        }
        for reason in &extension.because {
            text.line(format!("       {reason}"));
        }
    }
    text
}
