//! What is left of packages that a plan was made of: everything but their headers. A plan never
//! becomes an image before it is here.

use anyhow::anyhow;
use resolve::Available;

use crate::packages::chosen::Chosen;
use crate::packages::repository::{self, Downloads, Extent, Repository};
use crate::packages::settings::Settings;
use crate::packages::start::Start;
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::{Failure, Result};

/// Packages of repositories of which the headers alone were read.
pub struct Rest {
    /// The repositories.
    pub repositories: Vec<Repository>,
    /// The packages, by their place among those that were chosen, and where they are.
    pub packages: Vec<(usize, Available)>,
}

impl Rest {
    /// Returns the SHA-256 of each file that metadata list; nothing where they have another checksum.
    pub fn listed(&self) -> Vec<Option<String>> {
        let listed = self.packages.iter().filter_map(|(_, one)| {
            let repository = self.repositories.get(one.repository)?;
            repository.checksum(one.index).map(|_| self.sha256(*one))
        });
        listed.map(|sha256| sha256.map(hex::encode)).collect()
    }

    fn sha256(&self, one: Available) -> Option<[u8; 32]> {
        self.repositories.get(one.repository)?.sha256(one.index)
    }

    /// Fetches the packages whole, and checks that they are those that the plan was made of.
    pub fn fetch(&self, chosen: &mut [Chosen], settings: &Settings, report: &Report) -> Result<()> {
        let downloads = Downloads::new(&settings.downloads)?;
        let available: Vec<_> = self.packages.iter().map(|(_, one)| *one).collect();
        let repositories = &self.repositories;
        let retrieved = report.timed(Stage::Packages, || {
            // Signatures are of headers, which the plan has looked at.
            let extent = Extent::Whole;
            repository::retrieve(repositories, &available, extent, None, &downloads, report)
        })?;
        for ((number, available), whole) in self.packages.iter().zip(retrieved) {
            let (Some(one), Start::File(file)) = (chosen.get_mut(*number), whole.start) else {
                continue;
            };
            if one.package.fingerprint() != whole.package.fingerprint() {
                let text = "the plan was made from another header than its file has";
                return Err(Failure::refused(anyhow!("{}: {text}", one.package.nevra)).hint(
                    "run it again: the next plan is made from what has now been fetched. If the \
                     same happens with an empty cache, do not trust the server",
                ));
            }
            (one.file, one.package) = (file, whole.package);
            one.sha256 = self.sha256(*available);
        }
        Ok(())
    }
}
