//! SELinux's labels: every inode of an image gets the one that the base's own policy has for it.
//!
//! systemd labels nothing when it merges an image, so on a host that enforces SELinux a file without
//! a label may neither be read nor executed by most services. The labels are those of the base's
//! file contexts, which `crates/selinux` computes without the policy being loaded.

use std::path::PathBuf;

use anyhow::anyhow;
use files::PathBytes;
use image::{Content, Special, Tree, Visit};
use selinux::{FileContexts, FileType, MAX_FILE, Texts};

use crate::base::files::BaseFiles;
use crate::findings::{Finding, kinds};
use crate::words::failure::{Failure, Result};

/// The attribute that has the label.
pub const ATTRIBUTE: &str = "security.selinux";
/// Where a base says whether it enforces a policy, and which.
const CONFIG: &str = "etc/selinux/config";
/// Longest such file.
const MAX_CONFIG: u64 = 1 << 20;

/// Where labels come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Labelling {
    /// The base's file contexts, if it has SELinux switched on.
    #[default]
    Auto,
    /// Nowhere.
    None,
    /// These file contexts, and what is beside them.
    File(PathBuf),
}

/// What labels an image.
#[derive(Default)]
pub struct Labels(Option<Box<FileContexts>>);

/// What a base says of SELinux.
#[derive(Debug, Default, PartialEq, Eq)]
struct Config {
    is_on: bool,
    enforces: bool,
    /// The name of the policy.
    policy: String,
}

impl Config {
    /// Reads the file, as libselinux does: keys at the beginning of lines, the last of each counts.
    fn read(text: &str) -> Self {
        let value = |key: &str| {
            let mut lines = text
                .lines()
                .filter_map(|line| line.trim_start().strip_prefix(key));
            lines.next_back().map_or("", str::trim)
        };
        let mode = value("SELINUX=").to_ascii_lowercase();
        let policy = match value("SELINUXTYPE=") {
            "" => "targeted",
            name => name,
        };
        Self {
            is_on: mode.starts_with("enforcing") || mode.starts_with("permissive"),
            enforces: mode.starts_with("enforcing"),
            policy: policy.to_owned(),
        }
    }
}

impl Labels {
    /// Reads the contexts, and says if a base that enforces a policy gets an image without labels.
    pub fn of(
        labelling: &Labelling,
        base: Option<&BaseFiles<'_>>,
    ) -> Result<(Self, Option<Finding>)> {
        if let Labelling::File(path) = labelling {
            let contexts =
                FileContexts::open(path).map_err(|error| failure(error, path.display()))?;
            return Ok((Self(Some(Box::new(contexts))), None));
        }
        let Some(base) = base else {
            return Ok((Self::default(), None));
        };
        let config = base.text(CONFIG, MAX_CONFIG)?.unwrap_or_default();
        let config = Config::read(&config);
        let unlabelled = |why: String| {
            let text = format!(
                "/{CONFIG} of the base enforces SELinux, and the image has no labels: {why}"
            );
            config
                .enforces
                .then(|| Finding::new(&kinds::UNLABELLED, text))
        };
        if *labelling == Labelling::None {
            return Ok((Self::default(), unlabelled("--selinux none".to_owned())));
        }
        let is_name = !config.policy.contains('/') && !config.policy.starts_with('.');
        if !config.is_on || !is_name {
            return Ok((Self::default(), None));
        }
        let file = format!("etc/selinux/{}/contexts/files/file_contexts", config.policy);
        let text = |ending: &str| base.text(&format!("{file}{ending}"), MAX_FILE);
        let Some(contexts) = text("")? else {
            let why = format!("/{file} is not there");
            return Ok((Self::default(), unlabelled(why)));
        };
        let beside = |ending| text(ending).map(Option::unwrap_or_default);
        let contexts = FileContexts::new(Texts {
            contexts: contexts.as_bytes(),
            homedirs: beside(".homedirs")?.as_bytes(),
            local: beside(".local")?.as_bytes(),
            subs: beside(".subs")?.as_bytes(),
            subs_dist: beside(".subs_dist")?.as_bytes(),
        });
        let contexts = contexts.map_err(|error| {
            failure(error, "the base's SELinux").hint("--selinux none leaves labels out")
        })?;
        Ok((Self(Some(Box::new(contexts))), None))
    }

    /// Gives every inode of a tree its label.
    pub fn put_on(&mut self, tree: &mut Tree) -> Result<()> {
        let Some(contexts) = &mut self.0 else {
            return Ok(());
        };
        tree.set_attribute(ATTRIBUTE, &mut |path, visit| {
            let label = contexts.label(&absolute(path), type_of(visit));
            label.map(|label| {
                // The kernel has the label with a NUL at its end, and so have the tools.
                label.map(|label| [label.as_bytes(), b"\0"].concat())
            })
        })
        .map_err(|error| failure(error, "SELinux"))
    }
}

fn failure(error: selinux::Error, what: impl std::fmt::Display) -> Failure {
    match error {
        selinux::Error::File(error) => error.into(),
        error => Failure::refused(anyhow!(error).context(what.to_string())),
    }
}

fn absolute(path: &PathBytes) -> Vec<u8> {
    [b"/", path.bytes()].concat()
}

fn type_of(visit: Visit<'_>) -> FileType {
    match visit {
        Visit::Directory(_) => FileType::Directory,
        Visit::Leaf(_, leaf) => match &leaf.content {
            Content::File { .. } => FileType::Regular,
            Content::Symlink(_) => FileType::Symlink,
            Content::Special(Special::Block(_)) => FileType::Block,
            Content::Special(Special::Character(_)) => FileType::Character,
            Content::Special(Special::Fifo) => FileType::Fifo,
            Content::Special(Special::Socket) => FileType::Socket,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_base_says_of_it() {
        for (text, is_on, enforces, policy) in [
            ("", false, false, "targeted"),
            ("SELINUX=enforcing\nSELINUXTYPE=mls", true, true, "mls"),
            (
                "# SELINUX=enforcing\nSELINUX=permissive\n",
                true,
                false,
                "targeted",
            ),
            (
                "SELINUX=Enforcing  \nSELINUX=disabled",
                false,
                false,
                "targeted",
            ),
            ("  SELINUX=enforcing\r\nSELINUXTYPE= a ", true, true, "a"),
        ] {
            let expected = Config {
                is_on,
                enforces,
                policy: policy.to_owned(),
            };
            assert_eq!(Config::read(text), expected, "{text}");
        }
    }
}
