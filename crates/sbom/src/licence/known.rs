//! Names of licences that distributions used before SPDX's, and that mean one licence.

/// Names in lower case, with what SPDX calls the same, sorted.
///
/// They are Fedora's until 2022 and SUSE's until 2012, and what packagers write who follow neither. A
/// name that stands for several licences, such as `BSD`, or that says no version, is not here.
const KNOWN: &[(&str, &str)] = &[
    ("agplv3", "AGPL-3.0-only"),
    ("agplv3+", "AGPL-3.0-or-later"),
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache software license 2.0", "Apache-2.0"),
    ("artistic 2.0", "Artistic-2.0"),
    ("asl 1.0", "Apache-1.0"),
    ("asl 1.1", "Apache-1.1"),
    ("asl 2.0", "Apache-2.0"),
    ("boost", "BSL-1.0"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd 4-clause", "BSD-4-Clause"),
    ("cc0", "CC0-1.0"),
    ("epl 2.0", "EPL-2.0"),
    ("gpl v1 or later", "GPL-1.0-or-later"),
    ("gpl v2", "GPL-2.0-only"),
    ("gpl v2 only", "GPL-2.0-only"),
    ("gpl v2 or later", "GPL-2.0-or-later"),
    ("gpl v3", "GPL-3.0-only"),
    ("gpl v3 only", "GPL-3.0-only"),
    ("gpl v3 or later", "GPL-3.0-or-later"),
    ("gpl+", "GPL-1.0-or-later"),
    ("gplv2", "GPL-2.0-only"),
    ("gplv2+", "GPL-2.0-or-later"),
    ("gplv3", "GPL-3.0-only"),
    ("gplv3+", "GPL-3.0-or-later"),
    ("ibm public license", "IPL-1.0"),
    ("ipl", "IPL-1.0"),
    ("isc license", "ISC"),
    ("lgpl v2.0 only", "LGPL-2.0-only"),
    ("lgpl v2.0 or later", "LGPL-2.0-or-later"),
    ("lgpl v2.1", "LGPL-2.1-only"),
    ("lgpl v2.1 only", "LGPL-2.1-only"),
    ("lgpl v2.1 or later", "LGPL-2.1-or-later"),
    ("lgpl v3 only", "LGPL-3.0-only"),
    ("lgpl v3 or later", "LGPL-3.0-or-later"),
    ("lgpl+", "LGPL-2.0-or-later"),
    ("lgplv2", "LGPL-2.0-only"),
    ("lgplv2+", "LGPL-2.0-or-later"),
    ("lgplv2.1", "LGPL-2.1-only"),
    ("lgplv2.1+", "LGPL-2.1-or-later"),
    ("lgplv3", "LGPL-3.0-only"),
    ("lgplv3+", "LGPL-3.0-or-later"),
    ("mit license", "MIT"),
    ("mplv1.0", "MPL-1.0"),
    ("mplv1.1", "MPL-1.1"),
    ("mplv2.0", "MPL-2.0"),
    ("psfv2", "PSF-2.0"),
    ("sil ofl 1.1", "OFL-1.1"),
    ("sun public license", "SPL-1.0"),
    ("zlib license", "Zlib"),
    ("zplv2.0", "ZPL-2.0"),
    ("zplv2.1", "ZPL-2.1"),
];

/// Returns what SPDX calls a licence that had another name.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let at = KNOWN.binary_search_by_key(&name.as_str(), |(name, _)| name);
    at.ok().and_then(|at| KNOWN.get(at)).map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_licence_of_today() {
        assert!(KNOWN.is_sorted_by(|(one, _), (next, _)| one < next));
        for (name, expression) in KNOWN {
            let parsed = spdx::Expression::parse(expression);
            assert!(parsed.is_ok(), "{name}: {expression}");
            assert_eq!(name.to_lowercase(), *name);
        }
    }
}
