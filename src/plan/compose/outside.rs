//! What packages have outside of `/usr` and `/opt`: where it goes in an image, and what a host makes
//! of it.
//!
//! Until the tree is built, what a host is to make has the path of the factory's copy, so that
//! packages which own the same path of `/etc` conflict as elsewhere. Then only files stay there.

use files::PathBytes;
use rpm_input::File;

use super::{
    Candidate, CandidateKind, Changed, Composer, Contest, Finding, Part, Placed, Source, kinds,
};
use crate::alive::places::{self, Kind, Place, Treatment};
use crate::alive::tmpfiles::{FACTORY, Line, Made};
use crate::plan::filter::{self, Rule};

/// Where packages have snippets of tmpfiles.d(5).
const SNIPPETS: &str = "/usr/lib/tmpfiles.d/";

/// What becomes of a file outside of `/usr` and `/opt`.
pub(super) enum Outside {
    /// This rule moved it.
    Moved(&'static Rule),
    /// It stays at its path, in the companion.
    Companion,
    /// This rule left it out.
    Dropped(&'static Rule),
}

impl Composer<'_> {
    /// Gives a file its path in the image, if it has one.
    pub(super) fn outside(&mut self, candidate: &mut Candidate, source: Source) -> Outside {
        let kind = match candidate.kind {
            CandidateKind::Directory => Kind::Directory,
            CandidateKind::Symlink(_) => Kind::Link,
            _ => Kind::File,
        };
        let is_setting = filter::is_below(&candidate.path, "etc");
        let to_host: &'static Rule = match is_setting {
            true => &filter::ETC_TO_FACTORY,
            false => &filter::STATE_TO_TMPFILES,
        };
        let (rule, path) = match self.places.of(&candidate.path, kind) {
            Place::There => return Outside::Dropped(&filter::HOST_DIRECTORIES),
            Place::OfBase => return Outside::Dropped(&filter::KEPT_BY_BASE),
            Place::Unwanted => return Outside::Dropped(&filter::DROP_PATH),
            Place::Nowhere => return Outside::Dropped(&filter::HIERARCHY_ONLY),
            Place::Vendor(path) if self.rules.is_on(&filter::ETC_TO_USR) => {
                self.moved.insert(candidate.path.clone(), path.clone());
                (&filter::ETC_TO_USR, path)
            }
            Place::Companion => return Outside::Companion,
            Place::Vendor(_) if self.is_for_companion(&candidate.path) => {
                return Outside::Companion;
            }
            Place::Vendor(_) => (to_host, places::factory(&candidate.path)),
            Place::Host(path) if filter::is_below(&path, "run") && self.has_snippet(source) => {
                return Outside::Dropped(&filter::HOST_DIRECTORIES);
            }
            Place::Host(path) => (to_host, places::factory(&path)),
        };
        if !self.rules.is_on(rule) {
            return Outside::Dropped(&filter::HIERARCHY_ONLY);
        }
        candidate.path = path;
        Outside::Moved(rule)
    }

    /// Says whether a path of `/etc` that the base could read elsewhere is to be in the companion.
    fn is_for_companion(&self, path: &PathBytes) -> bool {
        self.places.treatment(path.bytes()) == Treatment::Confext
    }

    /// Places what no merge of `/usr` and `/opt` reaches, in the part that is composed. `None` for
    /// what is in the other one.
    pub(super) fn outside_of_part(
        &mut self,
        candidate: &mut Candidate,
        source: Source,
    ) -> Option<Outside> {
        let path = candidate.path.clone();
        match (self.part, self.outside(candidate, source)) {
            (Part::Main, Outside::Companion) => {
                if let Some((package, _)) = source.of_package() {
                    self.plan.companion.packages.insert(package);
                }
                self.plan.companion.paths.insert(path.clone());
                self.plan.changed.push(Changed {
                    rule: &filter::ETC_TO_CONFEXT,
                    owner: self.owner(source),
                    path: format!("/{path}"),
                    became: "in the companion image".to_owned(),
                });
                None
            }
            (Part::Main, outside) => Some(outside),
            (Part::Companion, Outside::Companion) => Some(Outside::Companion),
            (Part::Companion, _) => None,
        }
    }

    /// Says whether the package of a file has a snippet of tmpfiles.d(5): without one it would have
    /// nothing in `/run` after a boot.
    fn has_snippet(&self, source: Source) -> bool {
        let package = source
            .of_package()
            .map(|(package, _)| self.packages[package]);
        package.is_some_and(|package| {
            package.files.iter().any(|file| {
                let path = file.path.to_string();
                path.starts_with(SNIPPETS) && path.ends_with(".conf")
            })
        })
    }

    /// Decides between two owners of a path where one of them has it in `/etc`, which is read first.
    pub(super) fn contest_of_settings(&self, first: &Placed, second: &Placed) -> Option<Contest> {
        let [one, two] = [first, second].map(|placed| self.is_setting(placed));
        let [own, other] = [first, second].map(|placed| self.found(placed));
        if one == two || own.kind == CandidateKind::Directory && other.kind == own.kind {
            return None;
        }
        let path = &own.path;
        let text = format!("/{path} is what was in /etc, which is read before the other one");
        let finding = Some(Finding::new(&kinds::MOVED, text));
        Some(match one {
            true => Contest::First(finding),
            false => Contest::Second(finding),
        })
    }

    /// Says whether a package has something in `/etc` that is read from below `/usr` here.
    fn is_setting(&self, placed: &Placed) -> bool {
        let is_moved = placed.moved.is_some() && !is_of_host(placed);
        is_moved && filter::is_below(&self.candidate(placed.source).0.path, "etc")
    }

    /// Has a link lead to where its target was moved.
    pub(super) fn redirected(
        &self,
        placed: &Placed,
        path: &PathBytes,
        kind: CandidateKind,
    ) -> CandidateKind {
        let CandidateKind::Symlink(target) = &kind else {
            return kind;
        };
        let at = host_path(placed, path).unwrap_or_else(|| path.clone());
        let from = match self.is_setting(placed) {
            true => self.candidate(placed.source).0.path,
            false => at.clone(),
        };
        let resolved = |at: &PathBytes| filter::resolved(at.bytes(), target.bytes());
        let Some(to) = resolved(&from).map(PathBytes::from) else {
            return kind;
        };
        let to = self.moved.get(&to).unwrap_or(&to);
        if resolved(&at).as_deref() == Some(to.bytes()) {
            return kind;
        }
        let is_relative = !target.bytes().starts_with(b"/");
        let is_near = [&at, to].iter().all(|one| filter::is_below(one, "usr"));
        let target = match is_relative && is_near {
            true => filter::relative(at.bytes(), to.bytes()),
            false => [b"/", to.bytes()].concat(),
        };
        CandidateKind::Symlink(target.into())
    }

    /// Notes what a host is to make, and says whether that is all of it: of a file, there is a copy
    /// in the image.
    pub(super) fn is_made_on_host(
        &mut self,
        placed: &Placed,
        path: &PathBytes,
        kind: &CandidateKind,
        file: Option<&File>,
    ) -> bool {
        let Some(path) = host_path(placed, path) else {
            return false;
        };
        let made = match kind {
            CandidateKind::Directory => Made::Directory,
            CandidateKind::Symlink(target) => Made::Link(target.clone()),
            _ => Made::File,
        };
        let is_all = made != Made::File;
        let (mode, owners) = match file {
            Some(file) => (
                file.mode,
                [&file.owner, &file.group].map(ToString::to_string),
            ),
            None => {
                let mode = self.overlaid(placed.source).mode;
                (mode, ["root", "root"].map(str::to_owned))
            }
        };
        let line = Line { made, mode, owners };
        self.plan.tmpfiles.add(path, line);
        is_all
    }
}

/// Says whether something placed is what a host is to make.
pub(super) fn is_of_host(placed: &Placed) -> bool {
    let moved = placed.moved.as_deref();
    moved.is_some_and(|moved| moved.path.bytes().starts_with(FACTORY.as_bytes()))
}

/// Returns the path of a host that something at this path of the image is for.
fn host_path(placed: &Placed, path: &PathBytes) -> Option<PathBytes> {
    let rest = path.bytes().strip_prefix(FACTORY.as_bytes());
    rest.filter(|_| is_of_host(placed)).map(PathBytes::from)
}

/// Says what becomes of something that a host is to make: it "is ...".
pub(super) fn made(candidate: &Candidate) -> String {
    match candidate.kind {
        CandidateKind::Directory | CandidateKind::Symlink(_) => "made on the host".to_owned(),
        _ => format!("/{}", candidate.path),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::compose::tests::{package, plan, told};

    /// What packages and an overlay have outside of `/usr` and `/opt`, and what becomes of it: the
    /// tree, the findings, then the lines of tmpfiles.d(5).
    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn what_no_merge_reaches() {
        for (about, files, overlay, expected) in [
            (
                "a file is copied from the factory, with its mode; a directory is made",
                &[
                    "/etc/d d 0750 root:d",
                    "/etc/d/a f 0600 root:root sha256:one",
                    "/etc/d/b f 0660 root:d sha256:two",
                    "/etc/d/run l 0777 root:root ->../../run/d",
                ][..],
                &[][..],
                &[
                    "/usr/share/factory/etc/d/a f 0600 0:0 100 3 sha256:one",
                    "/usr/share/factory/etc/d/b f 0660 0:0 100 3 sha256:two",
                    "d /etc/d :0750 :root :d - -",
                    "C /etc/d/a - - - - -",
                    "C /etc/d/b :0660 :root :d - -",
                    "L /etc/d/run - - - - ../../run/d",
                ][..],
            ),
            (
                "units are where systemd reads them, and links still lead to them",
                &[
                    "/etc/systemd/system d 0755 root:root",
                    "/etc/systemd/system/d.service f 0644 root:root sha256:one",
                    "/etc/systemd/system/m.target.wants/d.service l 0777 root:root \
                     ->/etc/systemd/system/d.service",
                    "/etc/systemd/system/n.target.wants/d.service l 0777 root:root \
                     ->../d.service",
                    "/etc/systemd/system/o.service l 0777 root:root ->../../../dev/null",
                    "/usr/lib/d l 0777 root:root ->../../etc/systemd/system/d.service",
                ],
                &[],
                &[
                    "/usr/lib/d l 0777 0:0 100 systemd/system/d.service",
                    "/usr/lib/systemd/system/d.service f 0644 0:0 100 3 sha256:one",
                    "/usr/lib/systemd/system/m.target.wants/d.service l 0777 0:0 100 \
                     /usr/lib/systemd/system/d.service",
                    "/usr/lib/systemd/system/n.target.wants/d.service l 0777 0:0 100 ../d.service",
                    "/usr/lib/systemd/system/o.service l 0777 0:0 100 /dev/null",
                    "moved: etc-to-usr changed 4 paths: /etc/systemd/system/d.service is now \
                     /usr/lib/systemd/system/d.service ...",
                ],
            ),
            (
                "of one name, what is in /etc is read first",
                &[
                    "/etc/sysctl.d/d.conf f 0644 root:root sha256:one",
                    "/usr/lib/sysctl.d/d.conf f 0644 root:root sha256:two",
                ],
                &[],
                &[
                    "/usr/lib/sysctl.d/d.conf f 0644 0:0 100 3 sha256:one",
                    "moved: /usr/lib/sysctl.d/d.conf is what was in /etc, which is read before the \
                     other one",
                    "moved: etc-to-usr changed 1 path: /etc/sysctl.d/d.conf is now \
                     /usr/lib/sysctl.d/d.conf",
                ],
            ),
            (
                "state: directories by the names of today, and files of /var/lib",
                &[
                    "/var/lib/d d 0700 root:d",
                    "/var/lib/d/key f 0400 root:root sha256:one",
                    "/var/lib/d/log f 0400 root:root ghost",
                    "/var/log/d d 2770 root:adm",
                    "/var/run/d d 0755 root:root",
                    "/srv/d/a f 0644 root:root sha256:one",
                ],
                &[],
                &[
                    "/usr/share/factory/var/lib/d/key f 0400 0:0 100 3 sha256:one",
                    "left-out: hierarchy-only left out 1 path, 3 bytes: /srv/d/a",
                    "d /run/d 0755 root root - -",
                    "d /var/lib/d 0700 root d - -",
                    "C /var/lib/d/key - - - - -",
                    "d /var/log/d 2770 root adm - -",
                ],
            ),
            (
                "what a package has in /run, its own snippet makes",
                &[
                    "/run/d d 0700 d:d",
                    "/usr/lib/tmpfiles.d/d.conf f 0644 root:root sha256:one",
                ],
                &[],
                &["/usr/lib/tmpfiles.d/d.conf f 0644 0:0 100 3 sha256:one"],
            ),
            (
                "what a host does at times of its own",
                &[
                    "/etc/cron.d/d f 0644 root:root sha256:one",
                    "/etc/logrotate.d/d f 0644 root:root sha256:one",
                    "/etc/yum.repos.d/d.repo f 0644 root:root sha256:one",
                    "/usr/d f 0644 root:root sha256:two",
                ],
                &[],
                &[
                    "/usr/d f 0644 0:0 100 3 sha256:two",
                    "left-out: drop-host-jobs left out 3 paths, 9 bytes: /etc/cron.d/d ...",
                ],
            ),
            (
                "an overlay has its way",
                &["/etc/d f 0640 root:d sha256:one"],
                &["etc/d f 0600 two"],
                &[
                    "/usr/share/factory/etc/d f 0600 0:0 0 3 sha256:two",
                    "overlay-replaces: the overlay replaces /usr/share/factory/etc/d of one-1-1.x86_64",
                    "C /etc/d - - - - -",
                ],
            ),
            (
                "what there is to be on the host is in no image of its own",
                &["/var/lib/d d 0755 root:root"],
                &[],
                &["d /var/lib/d 0755 root root - -"],
            ),
        ] {
            let plan = plan(&[package("one", files)], overlay, None);
            let mut told = told(&plan);
            told.extend(plan.tmpfiles.lines());
            assert_eq!(told, expected, "{about}");
        }
    }

    /// Most packages have nothing there, and their images get nothing for it.
    #[test]
    fn a_package_below_usr_alone_is_as_it_was() {
        let files = [
            "/usr/bin/a f 0755 root:root sha256:one",
            "/opt/b d 0755 root:root",
        ];
        let plan = plan(&[package("one", &files)], &[], None);
        assert!(plan.tmpfiles.are_none());
        assert_eq!(plan.tmpfiles.findings("t.conf", true).len(), 0);
        let expected = [
            "/opt/b d 0755 0:0 100",
            "/usr/bin/a f 0755 0:0 100 3 sha256:one",
        ];
        assert_eq!(told(&plan), expected);
    }

    #[test]
    fn packages_conflict_in_etc_as_elsewhere() {
        for (two, expected) in [
            ("/etc/d f 0644 root:root sha256:one", 0),
            ("/etc/d f 0644 root:root sha256:two", 1),
            ("/etc/d d 0644 root:root", 1),
        ] {
            let packages = [
                package("one", &["/etc/d f 0644 root:root sha256:one"]),
                package("two", &[two]),
            ];
            let found = plan(&packages, &[], None).findings;
            let conflicts = found.iter().filter(|it| it.kind.id == "file-conflict");
            assert_eq!(conflicts.count(), expected, "{two}");
        }
    }
}
