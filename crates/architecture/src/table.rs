//! The table of architectures.
//!
//! systemd's names are those of its `architecture.c`. RPM's names, and which of them takes the
//! packages of which, are those of its `rpmrc` (`arch_compat`). `$basearch` is that of dnf, and of
//! the one distribution that builds for newer x86-64 processors as a whole. The numbers of ELF
//! machines are those of `elf.h`. Where nobody has needed what the GNU C library expects, it is
//! left out.

use crate::{Elf, Gnu};

/// An architecture in systemd's sense.
pub(crate) struct Row {
    pub(crate) systemd: &'static str,
    /// What Rust has for it in `std::env::consts::ARCH`.
    pub(crate) rust: &'static str,
    /// What Go has for it in `GOARCH`, and so registries of images. Where Go has none, systemd's.
    pub(crate) go: &'static str,
    pub(crate) elf: Elf,
    pub(crate) gnu: Option<Gnu>,
    /// What RPM tells apart. The first is what distributions are built for, or, where that is
    /// long ago, the oldest; systemd's name alone stands for it.
    pub(crate) variants: &'static [Variant],
}

/// An architecture in RPM's sense.
pub(crate) struct Variant {
    pub(crate) rpm: &'static str,
    /// The best other one whose packages it takes, which takes those of the next one in turn.
    /// Where that is in another row it has the smaller word size.
    pub(crate) next: Option<&'static str>,
    pub(crate) basearch: &'static str,
}

/// Architectures that systemd knows and for which RPM has no packages.
pub(crate) const SYSTEMD_ALONE: &[&str] = &[
    "arc", "arc-be", "arm-be", "arm64-be", "cris", "m68k", "mips", "mips64", "nios2", "parisc",
    "parisc64", "ppc-le", "riscv32", "sh", "sh64", "tilegx",
];

const fn elf(bits: u8, big_endian: bool, machine: u16) -> Elf {
    Elf {
        bits,
        big_endian,
        machine,
    }
}

const fn takes(rpm: &'static str, next: &'static str, basearch: &'static str) -> Variant {
    Variant {
        rpm,
        next: Some(next),
        basearch,
    }
}

const fn alone(rpm: &'static str, basearch: &'static str) -> Variant {
    Variant {
        rpm,
        next: None,
        basearch,
    }
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        systemd: "x86-64",
        rust: "x86_64",
        go: "amd64",
        elf: elf(64, false, 62),
        gnu: Some(Gnu {
            target: "elf64-x86-64",
            loader: "/lib64/ld-linux-x86-64.so.2",
            hwcaps: &["x86-64-v4", "x86-64-v3", "x86-64-v2"],
            platform: "x86_64",
            triplet: "x86_64-linux-gnu",
        }),
        variants: &[
            takes("x86_64", "athlon", "x86_64"),
            takes("x86_64_v2", "x86_64", "x86_64_v2"),
            takes("x86_64_v3", "x86_64_v2", "x86_64_v3"),
            takes("x86_64_v4", "x86_64_v3", "x86_64_v4"),
        ],
    },
    Row {
        systemd: "x86",
        rust: "x86",
        go: "386",
        elf: elf(32, false, 3),
        gnu: Some(Gnu {
            target: "elf32-i386",
            loader: "/lib/ld-linux.so.2",
            hwcaps: &[],
            platform: "i686",
            triplet: "i386-linux-gnu",
        }),
        variants: &[
            takes("i686", "i586", "i386"),
            takes("i586", "i486", "i386"),
            takes("i486", "i386", "i386"),
            alone("i386", "i386"),
            takes("athlon", "i686", "i386"),
            takes("geode", "i586", "i386"),
            takes("pentium3", "i686", "i386"),
            takes("pentium4", "pentium3", "i386"),
        ],
    },
    Row {
        systemd: "arm64",
        rust: "aarch64",
        go: "arm64",
        elf: elf(64, false, 183),
        gnu: Some(Gnu {
            target: "elf64-littleaarch64",
            loader: "/lib/ld-linux-aarch64.so.1",
            hwcaps: &[],
            platform: "aarch64",
            triplet: "aarch64-linux-gnu",
        }),
        variants: &[alone("aarch64", "aarch64")],
    },
    Row {
        systemd: "arm",
        rust: "arm",
        go: "arm",
        elf: elf(32, false, 40),
        gnu: Some(Gnu {
            target: "elf32-littlearm",
            loader: "/lib/ld-linux-armhf.so.3",
            hwcaps: &[],
            platform: "v7l",
            triplet: "arm-linux-gnueabihf",
        }),
        variants: &[
            takes("armv7hl", "armv6hl", "armhfp"),
            takes("armv7hnl", "armv7hl", "armhfp"),
            takes("armv8hl", "armv7hl", "armhfp"),
            alone("armv6hl", "armhfp"),
            takes("armv8l", "armv7l", "arm"),
            takes("armv7l", "armv6l", "arm"),
            takes("armv6l", "armv5tejl", "arm"),
            takes("armv5tejl", "armv5tel", "arm"),
            takes("armv5tel", "armv5tl", "arm"),
            alone("armv5tl", "arm"),
        ],
    },
    Row {
        systemd: "ppc64-le",
        rust: "powerpc64",
        go: "ppc64le",
        elf: elf(64, false, 21),
        gnu: Some(Gnu {
            target: "elf64-powerpcle",
            loader: "/lib64/ld64.so.2",
            hwcaps: &["power10", "power9"],
            platform: "power8",
            triplet: "powerpc64le-linux-gnu",
        }),
        variants: &[alone("ppc64le", "ppc64le")],
    },
    Row {
        systemd: "ppc64",
        rust: "powerpc64",
        go: "ppc64",
        elf: elf(64, true, 21),
        gnu: None,
        variants: &[
            takes("ppc64", "ppc", "ppc64"),
            takes("ppc64p7", "ppc64", "ppc64"),
        ],
    },
    Row {
        systemd: "ppc",
        rust: "powerpc",
        go: "ppc",
        elf: elf(32, true, 20),
        gnu: None,
        variants: &[alone("ppc", "ppc"), takes("ppc32dy4", "ppc", "ppc")],
    },
    Row {
        systemd: "s390x",
        rust: "s390x",
        go: "s390x",
        elf: elf(64, true, 22),
        gnu: Some(Gnu {
            target: "elf64-s390",
            loader: "/lib/ld64.so.1",
            hwcaps: &["z16", "z15", "z14", "z13"],
            platform: "z10",
            triplet: "s390x-linux-gnu",
        }),
        variants: &[takes("s390x", "s390", "s390x")],
    },
    Row {
        systemd: "s390",
        rust: "s390",
        go: "s390",
        elf: elf(32, true, 22),
        gnu: None,
        variants: &[alone("s390", "s390")],
    },
    Row {
        systemd: "riscv64",
        rust: "riscv64",
        go: "riscv64",
        elf: elf(64, false, 243),
        gnu: Some(Gnu {
            target: "elf64-littleriscv",
            loader: "/lib/ld-linux-riscv64-lp64d.so.1",
            hwcaps: &[],
            platform: "riscv64",
            triplet: "riscv64-linux-gnu",
        }),
        variants: &[alone("riscv64", "riscv64")],
    },
    Row {
        systemd: "loongarch64",
        rust: "loongarch64",
        go: "loong64",
        elf: elf(64, false, 258),
        gnu: Some(Gnu {
            target: "elf64-loongarch",
            loader: "/lib64/ld-linux-loongarch-lp64d.so.1",
            hwcaps: &[],
            platform: "loongarch64",
            triplet: "loongarch64-linux-gnu",
        }),
        variants: &[alone("loongarch64", "loongarch64")],
    },
    Row {
        systemd: "ia64",
        rust: "ia64",
        go: "ia64",
        elf: elf(64, false, 50),
        gnu: None,
        variants: &[alone("ia64", "ia64")],
    },
    Row {
        systemd: "sparc64",
        rust: "sparc64",
        go: "sparc64",
        elf: elf(64, true, 43),
        gnu: None,
        variants: &[
            takes("sparc64", "sparcv9", "sparc"),
            takes("sparc64v", "sparc64", "sparc"),
        ],
    },
    Row {
        systemd: "sparc",
        rust: "sparc",
        go: "sparc",
        elf: elf(32, true, 2),
        gnu: None,
        variants: &[
            alone("sparc", "sparc"),
            takes("sparcv8", "sparc", "sparc"),
            takes("sparcv9", "sparcv8", "sparc"),
            takes("sparcv9v", "sparcv9", "sparc"),
        ],
    },
    Row {
        systemd: "mips64-le",
        rust: "mips64",
        go: "mips64le",
        elf: elf(64, false, 8),
        gnu: None,
        variants: &[takes("mips64el", "mipsel", "mips64el")],
    },
    Row {
        systemd: "mips-le",
        rust: "mips",
        go: "mipsle",
        elf: elf(32, false, 8),
        gnu: None,
        variants: &[alone("mipsel", "mipsel")],
    },
    Row {
        systemd: "alpha",
        rust: "alpha",
        go: "alpha",
        elf: elf(64, false, 0x9026),
        gnu: None,
        variants: &[
            alone("alpha", "alpha"),
            takes("alphaev5", "alpha", "alpha"),
            takes("alphaev56", "alphaev5", "alpha"),
            takes("alphapca56", "alphaev56", "alpha"),
            takes("alphaev6", "alphapca56", "alpha"),
            takes("alphaev67", "alphaev6", "alpha"),
        ],
    },
];
