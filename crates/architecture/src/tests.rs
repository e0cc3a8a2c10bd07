use std::collections::BTreeMap;

use super::*;

fn of(rpm: &str) -> Architecture {
    Architecture::of_package(rpm).unwrap_or_else(|| panic!("{rpm} is not known"))
}

/// Every row as it must be: systemd's name, RPM's first name, dnf's, and what its packages are
/// chosen from. Where rpm is installed, the next test compares the last with what it says.
const EXPECTED: &[(&str, &str, &str, &str)] = &[
    ("x86-64", "x86_64", "x86_64", "athlon i686 i586 i486 i386"),
    ("x86", "i686", "i386", "i586 i486 i386"),
    ("arm64", "aarch64", "aarch64", ""),
    ("arm", "armv7hl", "armhfp", "armv6hl"),
    ("ppc64-le", "ppc64le", "ppc64le", ""),
    ("ppc64", "ppc64", "ppc64", "ppc"),
    ("ppc", "ppc", "ppc", ""),
    ("s390x", "s390x", "s390x", "s390"),
    ("s390", "s390", "s390", ""),
    ("riscv64", "riscv64", "riscv64", ""),
    ("loongarch64", "loongarch64", "loongarch64", ""),
    ("ia64", "ia64", "ia64", ""),
    ("sparc64", "sparc64", "sparc", "sparcv9 sparcv8 sparc"),
    ("sparc", "sparc", "sparc", ""),
    ("mips64-le", "mips64el", "mips64el", "mipsel"),
    ("mips-le", "mipsel", "mipsel", ""),
    ("alpha", "alpha", "alpha", ""),
];

/// RPM's other names, each with the system that takes its packages too.
const VARIANTS: &[(&str, &str, &str, &str)] = &[
    (
        "x86-64",
        "x86_64_v2",
        "x86_64_v2",
        "x86_64 athlon i686 i586 i486 i386",
    ),
    (
        "x86-64",
        "x86_64_v3",
        "x86_64_v3",
        "x86_64_v2 x86_64 athlon i686 i586 i486 i386",
    ),
    (
        "x86-64",
        "x86_64_v4",
        "x86_64_v4",
        "x86_64_v3 x86_64_v2 x86_64 athlon i686 i586 i486 i386",
    ),
    ("x86", "i586", "i386", "i486 i386"),
    ("x86", "i486", "i386", "i386"),
    ("x86", "i386", "i386", ""),
    ("x86", "athlon", "i386", "i686 i586 i486 i386"),
    ("x86", "geode", "i386", "i586 i486 i386"),
    ("x86", "pentium3", "i386", "i686 i586 i486 i386"),
    ("x86", "pentium4", "i386", "pentium3 i686 i586 i486 i386"),
    ("arm", "armv7hnl", "armhfp", "armv7hl armv6hl"),
    ("arm", "armv8hl", "armhfp", "armv7hl armv6hl"),
    ("arm", "armv6hl", "armhfp", ""),
    (
        "arm",
        "armv8l",
        "arm",
        "armv7l armv6l armv5tejl armv5tel armv5tl",
    ),
    ("arm", "armv7l", "arm", "armv6l armv5tejl armv5tel armv5tl"),
    ("arm", "armv6l", "arm", "armv5tejl armv5tel armv5tl"),
    ("arm", "armv5tejl", "arm", "armv5tel armv5tl"),
    ("arm", "armv5tel", "arm", "armv5tl"),
    ("arm", "armv5tl", "arm", ""),
    ("ppc64", "ppc64p7", "ppc64", "ppc64 ppc"),
    ("ppc", "ppc32dy4", "ppc", "ppc"),
    (
        "sparc64",
        "sparc64v",
        "sparc",
        "sparc64 sparcv9 sparcv8 sparc",
    ),
    ("sparc", "sparcv8", "sparc", "sparc"),
    ("sparc", "sparcv9", "sparc", "sparcv8 sparc"),
    ("sparc", "sparcv9v", "sparc", "sparcv9 sparcv8 sparc"),
    ("alpha", "alphaev5", "alpha", "alpha"),
    ("alpha", "alphaev56", "alpha", "alphaev5 alpha"),
    ("alpha", "alphapca56", "alpha", "alphaev56 alphaev5 alpha"),
    (
        "alpha",
        "alphaev6",
        "alpha",
        "alphapca56 alphaev56 alphaev5 alpha",
    ),
    (
        "alpha",
        "alphaev67",
        "alpha",
        "alphaev6 alphapca56 alphaev56 alphaev5 alpha",
    ),
];

#[test]
fn every_architecture_is_as_expected() {
    for &(systemd, rpm, basearch, takes) in EXPECTED.iter().chain(VARIANTS) {
        let architecture = of(rpm);
        let taken: Vec<_> = architecture.compatible().map(Architecture::rpm).collect();
        let found = (
            architecture.systemd(),
            architecture.basearch(),
            taken.join(" "),
        );
        let list = format!("{rpm} {takes}");
        assert_eq!(found, (systemd, basearch, list.trim().to_owned()), "{rpm}");
        assert_eq!(architecture.to_string(), systemd);
    }
    assert_eq!(all().count(), EXPECTED.len() + VARIANTS.len());
    assert_eq!(Architecture::names().count(), EXPECTED.len());
}

#[test]
fn a_name_means_itself() {
    for &(systemd, rpm, ..) in EXPECTED {
        assert_eq!(Architecture::named(systemd), Some(of(rpm)), "{systemd}");
        assert_eq!(
            (of(rpm).name(), Architecture::named(rpm)),
            (systemd, Some(of(rpm)))
        );
    }
    for &(_, rpm, ..) in VARIANTS {
        assert_eq!(
            (of(rpm).name(), Architecture::named(rpm)),
            (rpm, Some(of(rpm)))
        );
    }
    assert_eq!(Architecture::named("amd64"), Some(of("x86_64")));
    for unknown in ["", "noarch", "src", "x86_64_v5", "X86-64", "arm64-be"] {
        assert_eq!(Architecture::named(unknown), None, "{unknown}");
    }
    assert_eq!(Architecture::of_package("x86-64"), None);
    assert!(Architecture::of_this_machine().is_some());
}

/// `arch_compat` of rpm's own configuration, among the names that both know.
#[test]
fn rpm_takes_the_same_packages() {
    let Ok(rpmrc) = std::fs::read_to_string("/usr/lib/rpm/rpmrc") else {
        #[expect(clippy::disallowed_methods, reason = "only CI sets CI")]
        let in_ci = std::env::var_os("CI").is_some();
        assert!(!in_ci, "rpm is missing");
        return;
    };
    let mut takes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in rpmrc.lines() {
        if let Some((arch, taken)) = line
            .strip_prefix("arch_compat:")
            .and_then(|rest| rest.split_once(':'))
        {
            takes.insert(arch.trim(), taken.split_whitespace().collect());
        }
    }
    let mut compared = 0;
    for architecture in all() {
        if !takes.contains_key(architecture.rpm()) {
            continue;
        }
        compared += 1;
        let mut expected: Vec<&str> = Vec::new();
        let mut open = vec![architecture.rpm()];
        while let Some(arch) = open.pop() {
            let known = Architecture::of_package(arch).map(Architecture::rpm);
            if known.is_some_and(|known| !expected.contains(&known)) {
                expected.extend(known);
            }
            if known.is_none_or(|known| known == arch) {
                let taken = takes.get(arch).into_iter().flatten();
                open.extend(taken.filter(|taken| **taken != arch));
            }
        }
        let taken: Vec<_> = architecture.compatible().map(Architecture::rpm).collect();
        assert_eq!(taken, expected, "{architecture:?}");
    }
    // Since 4.19, rpm has the x86_64_v2 that older ones lack.
    assert!(compared >= all().count() - 3, "{compared} were compared");
}

#[test]
fn an_image_holds_both_word_sizes() {
    for (image, package, expected) in [
        ("x86_64", "i686", true),
        ("x86_64", "i386", true),
        ("x86_64", "x86_64_v3", true),
        ("x86_64_v3", "x86_64", true),
        ("i686", "x86_64", false),
        ("i586", "i686", true),
        ("s390x", "s390", true),
        ("ppc64", "ppc", true),
        ("ppc64le", "ppc", false),
        ("sparc64", "sparcv9", true),
        ("armv7hl", "armv6hl", true),
        ("aarch64", "armv7hl", false),
    ] {
        assert_eq!(of(image).runs(of(package)), expected, "{image} {package}");
    }
}

#[test]
fn elf_files_are_known_by_class_order_and_machine() {
    let known: Vec<_> = elf_targets()
        .map(|(elf, gnu)| (gnu.target, elf.bits, elf.big_endian, elf.machine))
        .collect();
    let expected = [
        ("elf64-x86-64", 64, false, 62),
        ("elf32-i386", 32, false, 3),
        ("elf64-littleaarch64", 64, false, 183),
        ("elf32-littlearm", 32, false, 40),
        ("elf64-powerpcle", 64, false, 21),
        ("elf64-s390", 64, true, 22),
        ("elf64-littleriscv", 64, false, 243),
        ("elf64-loongarch", 64, false, 258),
    ];
    assert_eq!(known, expected);
}

#[test]
fn systemd_knows_more_than_rpm() {
    for name in ["x86-64", "arm", "mips64", "arm64-be", "riscv32"] {
        assert!(is_of_systemd(name), "{name}");
    }
    for name in ["", "_any", "x86_64", "aarch64", "armv7hl"] {
        assert!(!is_of_systemd(name), "{name}");
    }
    assert_eq!(names_of_systemd().count(), 33);
}
