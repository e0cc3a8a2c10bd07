//! CycloneDX 1.5 in JSON.

use serde::Serialize;

use crate::bill::{Bill, Part};
use crate::json;
use crate::names::uuid;
use crate::time::utc;

/// What the image is called in the document.
const IMAGE: &str = "image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u8,
    metadata: Metadata<'a>,
    components: Vec<Component<'a>>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: String,
    tools: Tools<'a>,
    component: Component<'a>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: [Component<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Component<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    bom_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Supplier>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property<'a>>,
}

#[derive(Serialize)]
struct Supplier {
    name: String,
}

#[derive(Serialize)]
struct Hash<'a> {
    alg: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Licence<'a> {
    Expression(&'a str),
    License { name: &'a str },
}

#[derive(Serialize)]
struct Property<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

/// Writes a bill. What makes its serial number unique is a digest of all the rest.
pub(crate) fn write(bill: &Bill<'_>, version: &str) -> serde_json::Result<Vec<u8>> {
    let tool = Component {
        version: Some(version),
        ..named("application", "sysext-build")
    };
    let image = Component {
        bom_ref: IMAGE.to_owned(),
        version: bill.version,
        hashes: hashes(bill.subject.sha256.as_deref()),
        properties: vec![Property {
            name: "sysext-build:file",
            value: &bill.subject.file,
        }],
        ..named("file", bill.name)
    };
    let mut dependencies = vec![Dependency {
        of: IMAGE.to_owned(),
        depends_on: bill.parts().map(|part| reference(&part.id)).collect(),
    }];
    dependencies.extend(bill.parts().map(|part| Dependency {
        of: reference(&part.id),
        depends_on: part.requires.iter().map(|other| reference(other)).collect(),
    }));
    let mut document = Document {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        serial_number: String::new(),
        version: 1,
        metadata: Metadata {
            timestamp: utc(bill.subject.time),
            tools: Tools { components: [tool] },
            component: image,
        },
        components: bill.parts().map(component).collect(),
        dependencies,
    };
    let content = serde_json::to_vec(&document)?;
    document.serial_number = format!("urn:uuid:{}", uuid(&content));
    json::write(&document)
}

/// Returns what a package is called in the document; the prefix keeps it apart from the image.
fn reference(part: &str) -> String {
    format!("package-{part}")
}

fn named<'a>(kind: &'static str, name: &'a str) -> Component<'a> {
    Component {
        kind,
        bom_ref: String::new(),
        supplier: None,
        name,
        version: None,
        description: None,
        hashes: Vec::new(),
        licenses: Vec::new(),
        purl: None,
        properties: Vec::new(),
    }
}

fn hashes(sha256: Option<&str>) -> Vec<Hash<'_>> {
    let hash = sha256.map(|content| Hash {
        alg: "SHA-256",
        content,
    });
    hash.into_iter().collect()
}

fn component<'a>(part: &'a Part<'_>) -> Component<'a> {
    let known = part.package;
    let licence = known.and_then(|package| package.license.as_deref());
    let is_said = |text: &&str| !text.trim().is_empty();
    // An expression can't say what its references mean, so that the package's own words are better.
    let licence = licence
        .filter(is_said)
        .map(|text| match part.licence.references.is_empty() {
            true => Licence::Expression(&part.licence.expression),
            false => Licence::License { name: text },
        });
    let is_contained = match known {
        Some(_) => "true",
        None => "false",
    };
    let source = known.and_then(|package| package.source_rpm.as_deref());
    let file = known.and_then(|package| package.origin.as_deref());
    let properties = [
        ("sysext-build:contained", Some(is_contained)),
        ("sysext-build:source-rpm", source),
        ("sysext-build:file", file),
    ];
    Component {
        bom_ref: reference(&part.id),
        supplier: part.vendor().map(|name| Supplier { name }),
        version: part.evr.as_deref(),
        description: known.and_then(|package| package.summary.as_deref()),
        hashes: hashes(known.and_then(|package| package.sha256.as_deref())),
        licenses: licence.into_iter().collect(),
        purl: Some(&part.purl),
        properties: (properties.into_iter())
            .filter_map(|(name, value)| {
                Some(Property {
                    name,
                    value: value?,
                })
            })
            .collect(),
        ..named("library", &part.name)
    }
}
