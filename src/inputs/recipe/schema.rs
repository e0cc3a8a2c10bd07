//! The keys of a recipe as a JSON schema, for editors: what they complete, and what they underline.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, OF_THE_WHOLE, keys};
use crate::alive::places::Treatment;
use crate::cli::OptPlace;
use crate::cli::sbom::BillForm;
use crate::findings::{FINDINGS, Severity};
use crate::plan::filter::{Default as State, RULES};
use crate::plan::matching::Matching;
use crate::publish::disk::Format;
use architecture::Architecture;

/// Returns the schema. Each key is defined once, since a part for an architecture has it, too.
pub fn schema() -> Value {
    let keys = keys();
    let defined = keys.iter().map(|key| {
        let mut schema = of(key);
        schema["description"] = format!("{}.", key.meaning).into();
        (key.name.to_owned(), schema)
    });
    let referred = |part: bool| -> Map<String, Value> {
        let names = keys.iter().map(|key| key.name);
        names
            .filter(|name| !part || !OF_THE_WHOLE.contains(name))
            .map(|name| (name.to_owned(), json!({"$ref": format!("#/$defs/{name}")})))
            .collect()
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recipe of a system extension image",
        "description": "What sysext-build makes an image of, in TOML. Paths are relative to the recipe.",
        "type": "object",
        "properties": referred(false),
        "additionalProperties": false,
        "$defs": defined.chain([(PART.to_owned(), json!({
            "description": "What holds for one architecture only.",
            "type": "object",
            "properties": referred(true),
            "additionalProperties": false,
        }))]).collect::<Map<_, _>>(),
    })
}

/// The definition of a part for an architecture. No key has that name.
const PART: &str = "part";

/// Returns the names of what a value is one of.
fn by_name<T: ValueEnum>() -> Value {
    let names = T::value_variants().iter();
    let names = names.filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned()));
    json!({"type": "string", "enum": names.collect::<Vec<_>>()})
}

/// Returns what a key's value may be.
fn of(key: &Key) -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    let one_of = |names: Vec<&str>| json!({"type": "string", "enum": names});
    let architectures = || Architecture::every_name().collect::<Vec<_>>();
    match (key.kind, key.name) {
        (_, "arch") => one_of(architectures()),
        (_, "opt") => {
            let places = OptPlace::value_variants().iter();
            one_of(places.map(|place| place.name()).collect())
        }
        (_, "match") => by_name::<Matching>(),
        (_, "format") => by_name::<Format>(),
        (_, "sbom") => json!({"type": "array", "items": by_name::<BillForm>()}),
        (_, "keep") => {
            let rules = RULES
                .iter()
                .filter(|rule| !matches!(rule.default, State::Always | State::Asked));
            let names = rules.map(|rule| rule.name).collect();
            json!({"type": "array", "items": one_of(names)})
        }
        (_, "drop") => {
            let rules = RULES.iter().filter(|rule| rule.default != State::Asked);
            let names = rules.map(|rule| rule.name).collect();
            let path = json!({"type": "string", "pattern": "^/."});
            json!({"type": "array", "items": {"anyOf": [one_of(names), path]}})
        }
        (Kind::Text, _) => text(),
        (Kind::Strings, _) => json!({"type": "array", "items": text()}),
        (Kind::Flag, _) => json!({"type": "boolean"}),
        (Kind::Number, _) => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^(auto|none|[0-9]+(\.[0-9]+)*)$"},
        ]}),
        (Kind::Findings, _) => {
            let kinds = FINDINGS
                .iter()
                .filter(|kind| kind.severity != Severity::Always);
            let ids: Vec<_> = kinds.map(|kind| kind.id).collect();
            let about_one = format!("^({}):.", ids.join("|"));
            let table = json!({
                "type": "object",
                "properties": {
                    "finding": {
                        "description": "The finding's id, or id:what.",
                        "anyOf": [{"enum": ids}, {"type": "string", "pattern": about_one}],
                    },
                    "reason": {
                        "description": "Why it is acceptable.",
                        "type": "string",
                        "pattern": r"\S",
                    },
                },
                "required": ["finding", "reason"],
                "additionalProperties": false,
            });
            json!({"type": "array", "items": table})
        }
        (Kind::Tests, _) => {
            let one = ["run", "exists", "units"].map(|key| json!({"required": [key]}));
            let path = json!({"type": "string", "pattern": "^/"});
            let several = |item| json!({"type": "array", "items": item, "minItems": 1});
            let table = json!({
                "type": "object",
                "properties": {"run": text(), "exists": several(path), "units": several(text())},
                "anyOf": one,
                "additionalProperties": false,
            });
            json!({"type": "array", "items": table})
        }
        (Kind::Settings, _) => {
            let names = Treatment::ALL.map(|(_, name)| name);
            json!({"anyOf": [
                {"type": "string", "enum": names},
                {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "path": {
                            "description": "A file, or a directory and what is below it; without \
                                            it, all.",
                            "type": "string",
                            "pattern": "^/etc/.",
                        },
                        "as": {"description": "What becomes of it.", "enum": names},
                    },
                    "required": ["as"],
                    "additionalProperties": false,
                }},
            ]})
        }
        (Kind::Parts, _) => json!({
            "type": "object",
            "propertyNames": {"enum": architectures()},
            "additionalProperties": {"$ref": format!("#/$defs/{PART}")},
        }),
    }
}
