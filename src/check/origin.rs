//! For which distribution packages were built, as far as they say so without doubt, against the
//! one that the image states.
//!
//! A release with `.fc42` is for Fedora, and one with `.el9` for Enterprise Linux, no matter who built
//! the package: EPEL's packages name the Fedora Project, but are not for Fedora. Without such a suffix
//! the header's `Distribution` and `Vendor` decide; the Open Build Service writes `PROJECT /
//! REPOSITORY` into the first. All else says nothing.

use clients::Release;
use rpm_input::Package;

use crate::findings::{Finding, kinds};
use crate::words::quantity::counted;

/// A family of distributions, which share their packages.
struct Family {
    /// What people call it.
    name: &'static str,
    /// What a part of a package's release begins with, before a number.
    release: Option<&'static str>,
    /// What `Distribution` or `Vendor` are, or begin with as a word.
    said: &'static [&'static str],
    /// How repositories of the Open Build Service begin that build for it.
    repositories: &'static [&'static str],
    /// The `ID` of its members, or what comes before a hyphen of it.
    ids: &'static [&'static str],
}

const FAMILIES: &[Family] = &[
    Family {
        name: "openSUSE or SUSE",
        release: None,
        said: &["openSUSE", "SUSE Linux Enterprise"],
        repositories: &["openSUSE_", "SLE_"],
        ids: &["opensuse", "suse", "sles", "sled", "sle", "sl"],
    },
    Family {
        name: "Fedora",
        release: Some("fc"),
        said: &["Fedora Project"],
        repositories: &["Fedora_"],
        ids: &["fedora"],
    },
    Family {
        name: "Enterprise Linux",
        release: Some("el"),
        said: &["CentOS"],
        repositories: &["CentOS_", "RHEL_"],
        ids: &["rhel", "centos", "almalinux", "rocky", "ol"],
    },
    Family {
        name: "Mageia",
        release: Some("mga"),
        said: &["Mageia"],
        repositories: &["Mageia_"],
        ids: &["mageia"],
    },
    Family {
        name: "Azure Linux",
        release: Some("azl"),
        said: &["Azure Linux"],
        repositories: &[],
        ids: &["azurelinux"],
    },
    Family {
        name: "Amazon Linux",
        release: Some("amzn"),
        said: &["Amazon Linux"],
        repositories: &[],
        ids: &["amzn"],
    },
];

impl Family {
    /// Says whether a package's release is one of this family's.
    fn has_release(&self, release: &str) -> bool {
        let is_number =
            |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = release.split(|c: char| !c.is_ascii_alphanumeric());
        (self.release)
            .is_some_and(|start| parts.any(|part| part.strip_prefix(start).is_some_and(is_number)))
    }

    /// Says whether a `Distribution` or `Vendor` is of this family.
    fn is_said(&self, value: &str) -> bool {
        let begins = |start: &&str| {
            value
                .strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let is_repository = |name: &str| self.repositories.iter().any(|it| name.starts_with(it));
        // Copr has a vendor that begins like Fedora's, for packages of any distribution.
        let is_copr = value.starts_with("Fedora Project COPR");
        (self.said.iter().any(begins) && !is_copr)
            || (value.rsplit_once(" / ")).is_some_and(|(_, name)| is_repository(name))
    }

    /// Says whether a system of this `ID` is of the family.
    fn has_id(&self, id: &str) -> bool {
        let fits = |own: &&str| {
            id.strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.ids.iter().any(fits)
    }
}

/// Returns the family that a package was built for, where that is sure.
fn built_for(package: &Package) -> Option<&'static Family> {
    let find = |fits: &dyn Fn(&Family) -> bool| FAMILIES.iter().find(|family| fits(family));
    let said = [&package.distribution, &package.vendor];
    find(&|family| family.has_release(&package.nevra.release)).or_else(|| {
        let mut said = said.into_iter().flatten();
        said.find_map(|value| find(&|family| family.is_said(value)))
    })
}

/// Says whether a system takes packages of a family as its own: by its `ID`, or by what that is
/// like, if it is of no family.
fn is_at_home(family: &Family, system: &Release) -> bool {
    let id = system.get("ID").unwrap_or_default();
    if FAMILIES.iter().any(|known| known.has_id(id)) {
        return family.has_id(id);
    }
    let like = system.get("ID_LIKE").unwrap_or_default();
    like.split_whitespace().any(|id| family.has_id(id))
}

/// Names packages that were built for another distribution than the image states.
pub fn foreign(packages: &[&Package], system: &Release) -> Vec<Finding> {
    let strange = |family: &&Family| !is_at_home(family, system);
    let of = |family: &Family| {
        let mut own = packages
            .iter()
            .filter(|package| built_for(package).is_some_and(|it| it.name == family.name));
        let first = own.next()?;
        let others = match own.count() {
            0 => " was".to_owned(),
            1 => " and another package were".to_owned(),
            count => format!(" and {} were", counted(count, "other package")),
        };
        let text = format!(
            "{}{others} built for {}, but the image states ID={}; for another system: --os-release \
             FILE, or --base",
            first.nevra,
            family.name,
            system.get("ID").unwrap_or_default()
        );
        Some(Finding::new(&kinds::FOREIGN_PACKAGE, text))
    };
    FAMILIES.iter().filter(strange).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use rpm_input::Nevra;

    use super::*;

    fn package(release: &str, distribution: &str, vendor: &str) -> Package {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let nevra = Nevra {
            name: "a".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: release.to_owned(),
            arch: "noarch".to_owned(),
        };
        let mut package = Package::named(nevra);
        package.distribution = given(distribution);
        package.vendor = given(vendor);
        package
    }

    #[test]
    fn what_a_package_was_built_for() {
        for (release, distribution, vendor, expected) in [
            (
                "1.1",
                "openSUSE Tumbleweed",
                "openSUSE",
                Some("openSUSE or SUSE"),
            ),
            ("1.1", "", "openSUSE", Some("openSUSE or SUSE")),
            (
                "1.1",
                "home:a / openSUSE_Tumbleweed",
                "obs://x",
                Some("openSUSE or SUSE"),
            ),
            (
                "1.1",
                "SUSE Linux Enterprise 15",
                "",
                Some("openSUSE or SUSE"),
            ),
            ("1.1", "home:a / Fedora_42", "obs://x", Some("Fedora")),
            ("1.fc42", "Fedora Project", "Fedora Project", Some("Fedora")),
            ("1.fc42", "", "", Some("Fedora")),
            ("1", "Fedora Project", "", Some("Fedora")),
            // EPEL's, and a package of a module.
            (
                "1.el9",
                "Fedora Project",
                "Fedora Project",
                Some("Enterprise Linux"),
            ),
            ("2.module+el8.9.0+1+ab", "", "", Some("Enterprise Linux")),
            ("1.el9_4.2", "", "", Some("Enterprise Linux")),
            ("1.mga9", "Mageia", "", Some("Mageia")),
            ("1.azl3", "", "", Some("Azure Linux")),
            // What says nothing, or not for sure.
            ("1", "", "", None),
            ("1", "", "Fedora Project COPR (a/b)", None),
            (
                "1",
                "home:a / standard",
                "obs://build.opensuse.org/home:a",
                None,
            ),
            ("1", "openSUSElike", "", None),
            ("1.fc", "", "", None),
            ("1.el9a", "", "", None),
            ("1.level9", "", "", None),
        ] {
            let family = built_for(&package(release, distribution, vendor));
            let name = family.map(|family| family.name);
            assert_eq!(name, expected, "{release} {distribution} {vendor}");
        }
    }

    #[test]
    fn systems_and_packages_of_others() {
        let (suse, fedora, el) = (("1", "openSUSE"), ("1.fc42", ""), ("1.el9", ""));
        for (system, (release, distribution), is_foreign) in [
            ("ID=debian", suse, true),
            ("ID=ubuntu\nID_LIKE=debian", fedora, true),
            (
                "ID=opensuse-tumbleweed\nID_LIKE=\"opensuse suse\"",
                suse,
                false,
            ),
            ("ID=opensuse-microos", suse, false),
            ("ID=sl-micro\nID_LIKE=suse", suse, false),
            ("ID=opensuse-leap", fedora, true),
            ("ID=fedora", fedora, false),
            ("ID=fedora", el, true),
            // What a system is like counts only if its own name does not say what it is.
            ("ID=rhel\nID_LIKE=fedora", fedora, true),
            ("ID=rhel\nID_LIKE=fedora", el, false),
            ("ID=bazzite\nID_LIKE=fedora", fedora, false),
            ("ID=mine\nID_LIKE=\"rhel fedora\"", el, false),
            ("ID=debian", ("1", ""), false),
        ] {
            let system = Release::parse(system.as_bytes()).unwrap();
            let package = package(release, distribution, "");
            let found = !foreign(&[&package], &system).is_empty();
            assert_eq!(found, is_foreign, "{system:?} {release} {distribution}");
        }
    }

    #[test]
    fn they_are_counted() {
        let system = Release::parse(b"ID=debian").unwrap();
        let (one, none) = (package("1.fc42", "", ""), package("1", "", ""));
        let said = |packages: &[&Package]| {
            let findings = foreign(packages, &system);
            let texts: Vec<_> = findings.into_iter().map(|finding| finding.text).collect();
            texts.join("\n")
        };
        let rest = "built for Fedora, but the image states ID=debian; for another system: \
                    --os-release FILE, or --base";
        assert_eq!(said(&[&none]), "");
        assert_eq!(
            said(&[&none, &one]),
            format!("a-1-1.fc42.noarch was {rest}")
        );
        assert_eq!(
            said(&[&one, &one, &one]),
            format!("a-1-1.fc42.noarch and 2 other packages were {rest}")
        );
    }
}
