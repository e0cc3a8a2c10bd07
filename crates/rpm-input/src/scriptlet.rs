//! Scriptlets and triggers of a package. They are listed, so that a person can see what would
//! have happened at installation; nothing here runs them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::Error;
use crate::tags::{Tag, Tags};

/// A program that RPM runs at some moment of a package's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scriptlet {
    /// The moment, as RPM spells it: `pre`, `posttrans`, `triggerin`, `transfiletriggerin`.
    pub kind: &'static str,
    /// Interpreter and its arguments, `/bin/sh` if the header names none. `<lua>` is the
    /// interpreter inside of RPM.
    pub program: Vec<String>,
    /// Its text.
    pub script: String,
    /// Of a trigger: the packages that it waits for, or the beginnings of paths.
    pub waits_for: Vec<String>,
}

/// Tags of the plain scriptlets: the moment, the text, the interpreter.
const SCRIPTLETS: [(&str, Tag, Tag); 9] = [
    ("pretrans", Tag::PRETRANS, Tag::PRETRANSPROG),
    ("pre", Tag::PREIN, Tag::PREINPROG),
    ("post", Tag::POSTIN, Tag::POSTINPROG),
    ("preun", Tag::PREUN, Tag::PREUNPROG),
    ("postun", Tag::POSTUN, Tag::POSTUNPROG),
    ("posttrans", Tag::POSTTRANS, Tag::POSTTRANSPROG),
    ("preuntrans", Tag::PREUNTRANS, Tag::PREUNTRANSPROG),
    ("postuntrans", Tag::POSTUNTRANS, Tag::POSTUNTRANSPROG),
    ("verify", Tag::VERIFYSCRIPT, Tag::VERIFYSCRIPTPROG),
];

/// Tags of triggers: texts, interpreters, and for each condition its flags and its text's index.
struct TriggerTags {
    /// Prefix of the kind's name.
    prefix: &'static str,
    scripts: Tag,
    programs: Tag,
    names: Tag,
    flags: Tag,
    indexes: Tag,
    /// Names of the kinds: prein, in, un, postun.
    kinds: [&'static str; 4],
}

const TRIGGERS: [TriggerTags; 3] = [
    TriggerTags {
        prefix: "trigger",
        scripts: Tag::TRIGGERSCRIPTS,
        programs: Tag::TRIGGERSCRIPTPROG,
        names: Tag::TRIGGERNAME,
        flags: Tag::TRIGGERFLAGS,
        indexes: Tag::TRIGGERINDEX,
        kinds: ["triggerprein", "triggerin", "triggerun", "triggerpostun"],
    },
    TriggerTags {
        prefix: "filetrigger",
        scripts: Tag::FILETRIGGERSCRIPTS,
        programs: Tag::FILETRIGGERSCRIPTPROG,
        names: Tag::FILETRIGGERNAME,
        flags: Tag::FILETRIGGERFLAGS,
        indexes: Tag::FILETRIGGERINDEX,
        kinds: [
            "filetriggerprein",
            "filetriggerin",
            "filetriggerun",
            "filetriggerpostun",
        ],
    },
    TriggerTags {
        prefix: "transfiletrigger",
        scripts: Tag::TRANSFILETRIGGERSCRIPTS,
        programs: Tag::TRANSFILETRIGGERSCRIPTPROG,
        names: Tag::TRANSFILETRIGGERNAME,
        flags: Tag::TRANSFILETRIGGERFLAGS,
        indexes: Tag::TRANSFILETRIGGERINDEX,
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

/// Returns all scriptlets, then triggers, one entry for each of their texts, by their kinds.
pub(crate) fn read(header: &Tags<'_>) -> Result<Vec<Scriptlet>, Error> {
    let owned = |texts: Vec<Cow<'_, str>>| texts.into_iter().map(Cow::into_owned).collect();
    let mut found = Vec::new();
    for (kind, script, program) in SCRIPTLETS {
        let (script, program) = (header.text(script)?, header.texts(program)?);
        if script.is_some() || program.is_some() {
            found.push(Scriptlet {
                kind,
                program: program.map_or_else(|| vec!["/bin/sh".to_owned()], owned),
                script: script.unwrap_or_default(),
                waits_for: Vec::new(),
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
    let of_conditions = |tag| -> Result<Vec<u32>, Error> {
        let numbers = header.numbers(tag)?;
        Ok(numbers.map_or_else(Vec::new, |numbers| {
            let all = (0..numbers.len()).map(|position| numbers.get(position));
            all.flatten().collect()
        }))
    };
    let flags = of_conditions(tags.flags)?;
    let indexes = of_conditions(tags.indexes)?;
    let names = header.texts(tags.names)?.unwrap_or_default();
    let mut found = Vec::new();
    for (kind, bit) in tags.kinds.into_iter().zip(TRIGGER_KINDS) {
        let mut of_kind: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (condition, (flags, index)) in flags.iter().zip(&indexes).enumerate() {
            let Some(position) = usize::try_from(*index).ok().filter(|_| flags & bit != 0) else {
                continue;
            };
            let waits_for = of_kind.entry(position).or_default();
            waits_for.extend(names.get(condition).map(|name| name.to_string()));
        }
        for (position, waits_for) in of_kind {
            let Some(script) = scripts.get(position) else {
                let reason = format!("a {} has no script of its index", tags.prefix);
                return Err(header.wrong(tags.indexes, reason));
            };
            let program = programs.get(position);
            found.push(Scriptlet {
                kind,
                program: vec![program.map_or("/bin/sh", |program| program).to_owned()],
                script: script.to_string(),
                waits_for,
            });
        }
    }
    Ok(found)
}
