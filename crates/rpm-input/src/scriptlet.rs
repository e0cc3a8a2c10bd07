//! Scriptlets and triggers of a package. They are listed, so that a person can see what would
//! have happened at installation; nothing here runs them.

use rpm::IndexTag;

use crate::error::Error;
use crate::tags::Tags;

/// A program that RPM runs at some moment of a package's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scriptlet {
    /// The moment, as RPM spells it: `pre`, `posttrans`, `triggerin`, `transfiletriggerin`.
    pub kind: &'static str,
    /// Interpreter and its arguments, `/bin/sh` if the header names none. `<lua>` is the
    /// interpreter inside of RPM.
    pub program: Vec<String>,
    /// Its text; of triggers, the texts of all of one kind after each other.
    pub script: String,
}

/// Tags of the plain scriptlets: the moment, the text, the interpreter.
const SCRIPTLETS: [(&str, IndexTag, IndexTag); 9] = [
    (
        "pretrans",
        IndexTag::RPMTAG_PRETRANS,
        IndexTag::RPMTAG_PRETRANSPROG,
    ),
    ("pre", IndexTag::RPMTAG_PREIN, IndexTag::RPMTAG_PREINPROG),
    ("post", IndexTag::RPMTAG_POSTIN, IndexTag::RPMTAG_POSTINPROG),
    ("preun", IndexTag::RPMTAG_PREUN, IndexTag::RPMTAG_PREUNPROG),
    (
        "postun",
        IndexTag::RPMTAG_POSTUN,
        IndexTag::RPMTAG_POSTUNPROG,
    ),
    (
        "posttrans",
        IndexTag::RPMTAG_POSTTRANS,
        IndexTag::RPMTAG_POSTTRANSPROG,
    ),
    (
        "preuntrans",
        IndexTag::RPMTAG_PREUNTRANS,
        IndexTag::RPMTAG_PREUNTRANSPROG,
    ),
    (
        "postuntrans",
        IndexTag::RPMTAG_POSTUNTRANS,
        IndexTag::RPMTAG_POSTUNTRANSPROG,
    ),
    (
        "verify",
        IndexTag::RPMTAG_VERIFYSCRIPT,
        IndexTag::RPMTAG_VERIFYSCRIPTPROG,
    ),
];

/// Tags of triggers: texts, interpreters, and for each condition its flags and its text's index.
struct TriggerTags {
    /// Prefix of the kind's name.
    prefix: &'static str,
    scripts: IndexTag,
    programs: IndexTag,
    flags: IndexTag,
    indexes: IndexTag,
    /// Names of the kinds: prein, in, un, postun.
    kinds: [&'static str; 4],
}

const TRIGGERS: [TriggerTags; 3] = [
    TriggerTags {
        prefix: "trigger",
        scripts: IndexTag::RPMTAG_TRIGGERSCRIPTS,
        programs: IndexTag::RPMTAG_TRIGGERSCRIPTPROG,
        flags: IndexTag::RPMTAG_TRIGGERFLAGS,
        indexes: IndexTag::RPMTAG_TRIGGERINDEX,
        kinds: ["triggerprein", "triggerin", "triggerun", "triggerpostun"],
    },
    TriggerTags {
        prefix: "filetrigger",
        scripts: IndexTag::RPMTAG_FILETRIGGERSCRIPTS,
        programs: IndexTag::RPMTAG_FILETRIGGERSCRIPTPROG,
        flags: IndexTag::RPMTAG_FILETRIGGERFLAGS,
        indexes: IndexTag::RPMTAG_FILETRIGGERINDEX,
        kinds: [
            "filetriggerprein",
            "filetriggerin",
            "filetriggerun",
            "filetriggerpostun",
        ],
    },
    TriggerTags {
        prefix: "transfiletrigger",
        scripts: IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTS,
        programs: IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTPROG,
        flags: IndexTag::RPMTAG_TRANSFILETRIGGERFLAGS,
        indexes: IndexTag::RPMTAG_TRANSFILETRIGGERINDEX,
        kinds: [
            "transfiletriggerprein",
            "transfiletriggerin",
            "transfiletriggerun",
            "transfiletriggerpostun",
        ],
    },
];

/// The bits of a condition's flags that tell its kind, in the order of `TriggerTags::kinds`.
const TRIGGER_KINDS: [u32; 4] = [1 << 25, 1 << 16, 1 << 17, 1 << 18];

/// Returns all scriptlets, then one entry for each kind of trigger.
pub(crate) fn read(header: &Tags<'_>) -> Result<Vec<Scriptlet>, Error> {
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    for (kind, script, program) in SCRIPTLETS {
        let (script, program) = (header.text(script)?, header.texts(program)?);
        if script.is_some() || program.is_some() {
            found.push(Scriptlet {
                kind,
                program: program.map_or_else(|| vec!["/bin/sh".to_owned()], owned),
                script: script.unwrap_or_default(),
            });
        }
    }
    for tags in &TRIGGERS {
        found.extend(triggers(header, tags)?);
    }
    Ok(found)
}

fn triggers(header: &Tags<'_>, tags: &TriggerTags) -> Result<Vec<Scriptlet>, Error> {
    let Some(scripts) = header.texts(tags.scripts)? else {
        return Ok(Vec::new());
    };
    let programs = header.texts(tags.programs)?.unwrap_or_default();
    let flags = header.numbers(tags.flags)?.unwrap_or_default();
    let indexes = header.numbers(tags.indexes)?.unwrap_or_default();
    let mut found = Vec::new();
    for (kind, bit) in tags.kinds.into_iter().zip(TRIGGER_KINDS) {
        let of_kind = flags
            .iter()
            .zip(&indexes)
            .filter(|(flags, _)| **flags & bit != 0);
        let mut positions: Vec<usize> = of_kind
            .filter_map(|(_, index)| usize::try_from(*index).ok())
            .collect();
        positions.sort_unstable();
        positions.dedup();
        let texts: Vec<&str> = positions
            .iter()
            .filter_map(|position| scripts.get(*position).copied())
            .collect();
        let program = positions
            .first()
            .and_then(|position| programs.get(*position));
        if texts.len() != positions.len() {
            let reason = format!("a {} has no script of its index", tags.prefix);
            return Err(header.wrong(tags.indexes, reason));
        }
        if !texts.is_empty() {
            found.push(Scriptlet {
                kind,
                program: vec![program.copied().unwrap_or("/bin/sh").to_owned()],
                script: texts.join("\n"),
            });
        }
    }
    Ok(found)
}
