//! Many images on many hosts: what each client does with each of them.
//!
//! Images are independent of each other, so they are read by as many threads as there are cores;
//! of each only its row stays in memory. Rows come back in the order of the images.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clients::{Client, Host, Outcome, Release, Verdict};

use crate::base::Base;
use crate::failure::Result;
use crate::specimen::Specimen;

/// A system that images are to work on.
pub struct Target {
    /// What to call it in a table.
    pub label: String,
    /// What its os-release says.
    pub os_release: Release,
    /// What is known of it beyond that.
    pub base: Base,
}

/// What is asked of the images.
pub struct Survey {
    /// The systems.
    pub targets: Vec<Target>,
    /// The clients on each.
    pub clients: Vec<Client>,
    /// The systems' architecture in systemd's spelling, if it is known.
    pub architecture: Option<String>,
    /// Only the manifests are read.
    pub manifests: bool,
    /// Name of the client's link, instead of each image's own name.
    pub link: Option<String>,
}

/// What a client does with an image on a target.
pub struct Judgement {
    /// Index of the target.
    pub target: usize,
    /// The client.
    pub client: Client,
    /// What it does, and why.
    pub verdict: Verdict,
}

/// All that was found out about one image.
pub struct Row {
    /// The file that was named.
    pub path: PathBuf,
    /// Name of the client's link.
    pub link: String,
    /// File name of the image.
    pub file: String,
    /// For each target, for each client.
    pub judgements: Vec<Judgement>,
}

impl Row {
    /// Returns the worst that happens to the image on a target, with the clients that do it.
    pub fn worst(&self, target: usize) -> (Outcome, Vec<Client>) {
        let here = || self.judgements.iter().filter(|one| one.target == target);
        let worst = here()
            .map(|one| one.verdict.outcome)
            .max()
            .unwrap_or(Outcome::Accepted);
        let by = here().filter(|one| one.verdict.outcome == worst);
        (worst, by.map(|one| one.client).collect())
    }
}

impl Survey {
    /// Reads and judges images, `workers` at a time. The first that can't be read ends it.
    pub fn rows(&self, images: &[PathBuf], workers: usize) -> Result<Vec<Row>> {
        let next = AtomicUsize::new(0);
        let rows = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..workers.min(images.len()).max(1) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = images.get(index) else { break };
                        let row = self.row(path);
                        let failed = row.is_err();
                        if let Ok(mut rows) = rows.lock() {
                            rows.push((index, row));
                        }
                        if failed {
                            next.store(images.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let mut rows = rows
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.sort_by_key(|(index, _)| *index);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn row(&self, path: &Path) -> Result<Row> {
        let specimen = Specimen::open(path, self.manifests, self.link.as_deref())?;
        let mut judgements = Vec::new();
        for (target, host) in self.targets.iter().enumerate() {
            let host = Host {
                os_release: &host.os_release,
                architecture: self.architecture.as_deref(),
            };
            for &client in &self.clients {
                let verdict = clients::judge(client, &specimen.facts, host);
                judgements.push(Judgement {
                    target,
                    client,
                    verdict,
                });
            }
        }
        Ok(Row {
            path: specimen.path,
            link: specimen.facts.link,
            file: specimen.facts.file,
            judgements,
        })
    }
}
