//! The schema of recipes: it says what the reader says.

use std::path::Path;

use serde_json::Value;

use super::recipe;
use crate::inputs::Inputs;
use crate::inputs::recipe::file::{self, Origin};
use crate::inputs::recipe::{keys, merged, schema, written};
use crate::plan::build_number::Numbering;

#[test]
fn the_schema_is_published() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipe.schema.json");
    let published = std::fs::read_to_string(published).unwrap();
    let hint = "write it with: sysext-build init --schema > docs/recipe.schema.json";
    assert!(published == format!("{:#}\n", schema()), "{hint}");
}

/// Says whether a value is what a schema describes, by the words that the schema of recipes has.
fn is_valid(schema: &Value, root: &Value, value: &Value) -> bool {
    let all_known = [
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "type",
        "properties",
        "items",
        "enum",
        "additionalProperties",
        "propertyNames",
        "required",
        "anyOf",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
    ];
    for (word, rule) in schema.as_object().unwrap() {
        assert!(all_known.contains(&word.as_str()), "{word}");
        let valid = |schema: &Value, value: &Value| is_valid(schema, root, value);
        let members = || value.as_object().into_iter().flatten();
        let holds = match word.as_str() {
            "$ref" => valid(
                root.pointer(rule.as_str().unwrap().trim_start_matches('#'))
                    .unwrap(),
                value,
            ),
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64(),
                other => panic!("{other}"),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .any(|rule| valid(rule, value)),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .all(|item| valid(rule, item)),
            "properties" => {
                members().all(|(key, value)| rule.get(key).is_none_or(|rule| valid(rule, value)))
            }
            "additionalProperties" => {
                let mut others =
                    members().filter(|(key, _)| schema["properties"].get(key).is_none());
                match rule.as_bool() {
                    Some(allowed) => allowed || others.next().is_none(),
                    None => others.all(|(_, value)| valid(rule, value)),
                }
            }
            "propertyNames" => members().all(|(key, _)| valid(rule, &Value::from(key.as_str()))),
            "required" => {
                let mut keys = rule.as_array().unwrap().iter();
                keys.all(|key| value.get(key.as_str().unwrap()).is_some())
            }
            "minItems" => value.as_array().is_none_or(|items| !items.is_empty()),
            "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "minimum" => value
                .as_i64()
                .is_none_or(|number| number >= rule.as_i64().unwrap()),
            // Those that there are, in the words of their meaning.
            "pattern" => value
                .as_str()
                .is_none_or(|text| match rule.as_str().unwrap() {
                    r"\S" => !text.trim().is_empty(),
                    "^/" => text.starts_with('/'),
                    "^/etc/." => text.starts_with("/etc/") && text.len() > 5,
                    finding if finding.starts_with("^(") && finding.ends_with("):.") => {
                        let (id, what) = text.split_once(':').unwrap_or_default();
                        finding[2..finding.len() - 3]
                            .split('|')
                            .any(|known| known == id)
                            && !what.is_empty()
                    }
                    _ => text.parse::<Numbering>().is_ok(),
                }),
            _ => true,
        };
        if !holds {
            return false;
        }
    }
    true
}

/// What the schema says of a recipe is what the reader says, for values of every type in every key.
#[test]
fn the_schema_is_what_is_read() {
    let schema = schema();
    let values = [
        "true",
        "1",
        "-1",
        "1.5",
        "\"\"",
        "\"x\"",
        "\"29.1\"",
        "\"none\"",
        "\"any\"",
        "[]",
        "[\"\"]",
        "[\"x\"]",
        "[1]",
        "[[\"x\"]]",
        "{}",
        "[{}]",
        "{ arm64 = {} }",
        "{ arm46 = {} }",
        "{ arm64 = 1 }",
        "{ arm64 = { name = \"x\" } }",
        "{ arm64 = { name = 1 } }",
        "{ arm64 = { arch = \"x\" } }",
        "{ arm64 = { nmae = \"x\" } }",
        "[{ finding = \"moved\", reason = \"r\" }]",
        "[{ finding = \"moved:/x\", reason = \"r\" }]",
        "[{ finding = \"moved\", reason = \" \" }]",
        "[{ finding = \"mooved\", reason = \"r\" }]",
        "[{ finding = \"moved\" }]",
        "[{ finding = \"moved\", reason = \"r\", x = 1 }]",
        "[{ run = \"x\" }]",
        "[{ run = \"\" }]",
        "[{ run = \"x\", x = 1 }]",
        "[{ exists = [\"/x\"], units = [\"x.service\"] }]",
        "[{ exists = [\"x\"] }]",
        "[{ run = \"x\", exists = [] }]",
        "[{ units = [\"\"] }]",
        "\"drop\"",
        "[{ as = \"drop\" }]",
        "[{ path = \"/etc/x\", as = \"factory\" }]",
        "[{ path = \"/x\", as = \"drop\" }]",
        "[{ path = \"/etc/x\", as = \"confext\" }]",
        "[{ path = \"/etc/x\", as = \"other\" }]",
        "[{ path = \"/etc/x\" }]",
        "[{ as = \"drop\", x = 1 }]",
        "2000-01-01",
    ];
    let names: Vec<_> = keys().iter().map(|key| key.name).chain(["nmae"]).collect();
    let mut counts = (0, 0);
    for name in &names {
        for value in values {
            let text = format!("{name} = {value}");
            let table: Value = toml::from_str(&text).unwrap();
            let origin = Origin {
                path: Path::new("x.toml"),
                text: &text,
                is_included: false,
            };
            let said = file::read(origin)
                .map(|_| ())
                .map_err(|failure| format!("{:#}", failure.source));
            // Which names there are is asked later.
            let may_differ = ["arch", "keep", "drop"].contains(name) && value.contains('"');
            let valid = is_valid(&schema, &schema, &table);
            assert!(
                valid == said.is_ok() || may_differ,
                "{text}: {valid}, {said:?}"
            );
            counts.0 += usize::from(valid);
            counts.1 += usize::from(!valid);
        }
    }
    // Each key takes something, and nothing takes all.
    assert!(
        counts.0 > names.len() && counts.1 > 10 * names.len(),
        "{counts:?}"
    );
}

/// What a key takes by name is what its schema has, and nothing else.
#[test]
fn names_in_the_schema() {
    let schema = schema();
    let is_taken = |text: &str| {
        let text = format!("packages = [\"x\"]\nrepositories = [\"/\"]\n{text}");
        let arguments =
            recipe(&text).map(|recipe| merged(recipe, &written::nothing_typed().unwrap()));
        arguments
            .and_then(|arguments| Inputs::new(&arguments))
            .is_ok()
    };
    let finding = &schema["$defs"]["allow"]["items"]["properties"]["finding"]["anyOf"][0];
    for (names, line) in [
        (&schema["$defs"]["arch"], "arch = \"@\""),
        (&schema["$defs"]["match"], "match = \"@\""),
        (&schema["$defs"]["keep"]["items"], "keep = [\"@\"]"),
        (
            &schema["$defs"]["drop"]["items"]["anyOf"][0],
            "drop = [\"@\"]",
        ),
        (
            &schema["$defs"]["for"]["propertyNames"],
            "arch = \"arm64\"\n[for.@]",
        ),
        (&schema["$defs"]["etc"]["anyOf"][0], "etc = \"@\""),
        (finding, "[[allow]]\nfinding = \"@\"\nreason = \"r\""),
    ] {
        let names = names["enum"].as_array().unwrap();
        for name in names {
            assert!(
                is_taken(&line.replace('@', name.as_str().unwrap())),
                "{line}: {name}"
            );
        }
        for name in ["empty-image", "below-link", "pattern-collision", "xyz"] {
            let is_there = names.contains(&Value::from(name));
            assert_eq!(
                is_taken(&line.replace('@', name)),
                is_there,
                "{line}: {name}"
            );
        }
    }
}
