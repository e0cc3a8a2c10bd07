//! Caches: files that a program makes of all files of a directory or a system, so that one of an
//! image hides what the base's, or another image's, knows.

/// Every cache that is known: the beginning of its path, its names (none is any), what makes it.
const CACHES: &[(&str, &[&str], &str)] = &[
    (
        "usr/lib/modules/",
        &[
            "modules.alias",
            "modules.alias.bin",
            "modules.builtin.alias.bin",
            "modules.builtin.bin",
            "modules.dep",
            "modules.dep.bin",
            "modules.devname",
            "modules.softdep",
            "modules.symbols",
            "modules.symbols.bin",
            "modules.weakdep",
        ],
        "depmod",
    ),
    ("usr/etc/", &["ld.so.cache"], "ldconfig"),
    (
        "usr/share/glib-2.0/schemas/",
        &["gschemas.compiled"],
        "glib-compile-schemas",
    ),
    (
        "usr/share/icons/",
        &["icon-theme.cache"],
        "gtk-update-icon-cache",
    ),
    (
        "usr/share/mime/",
        &[
            "XMLnamespaces",
            "aliases",
            "generic-icons",
            "globs",
            "globs2",
            "icons",
            "magic",
            "mime.cache",
            "subclasses",
            "treemagic",
            "types",
            "version",
        ],
        "update-mime-database",
    ),
    (
        "usr/share/applications/",
        &["mimeinfo.cache"],
        "update-desktop-database",
    ),
    ("usr/share/info/", &["dir"], "install-info"),
    (
        "usr/share/fonts/",
        &[".uuid", "fonts.dir", "fonts.scale"],
        "mkfontdir",
    ),
    ("usr/lib/fontconfig/cache/", &[""], "fc-cache"),
    ("usr/lib/udev/", &["hwdb.bin"], "systemd-hwdb"),
    ("usr/lib", &["giomodule.cache"], "gio-querymodules"),
    ("usr/lib", &["loaders.cache"], "gdk-pixbuf-query-loaders"),
    ("usr/lib", &["immodules.cache"], "gtk-query-immodules-3.0"),
    ("usr/lib", &["package.cache"], "ghc-pkg"),
    ("usr/share/texmf", &["ls-R"], "mktexlsr"),
    ("usr/share/vim/", &["tags"], "vim"),
];

/// Returns the program that makes the cache at a path without a leading slash, if there is one.
pub fn cache_at(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    CACHES
        .iter()
        .find(|(above, names, _)| {
            path.starts_with(above) && names.iter().any(|one| one.is_empty() || *one == name)
        })
        .map(|(_, _, made_by)| *made_by)
}
