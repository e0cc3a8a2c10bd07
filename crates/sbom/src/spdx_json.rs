//! SPDX 2.3 in JSON.

use serde::Serialize;

use crate::bill::{Bill, Part};
use crate::json;
use crate::names::uuid;
use crate::time::utc;

/// What is said of something that nobody has looked at.
const NOASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// The image; the name is the Open Build Service's.
const ROOT: &str = "SPDXRef-DOCUMENT-ROOT";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: &'a str,
    document_namespace: String,
    creation_info: Creation,
    packages: Vec<Package<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<Extracted<'a>>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct Creation {
    created: String,
    creators: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    #[serde(rename = "SPDXID")]
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum<'a>>,
    license_concluded: &'static str,
    license_declared: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<String>,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<External<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum<'a> {
    algorithm: &'static str,
    checksum_value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct External<'a> {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted<'a> {
    license_id: &'a str,
    extracted_text: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// Writes a bill. What makes its namespace unique is a digest of all the rest.
pub(crate) fn write(bill: &Bill<'_>, version: &str) -> serde_json::Result<Vec<u8>> {
    let mut packages = vec![root(bill)];
    packages.extend(bill.parts().map(package));
    let extracted = bill.references().into_iter().map(|(id, text)| Extracted {
        license_id: id,
        extracted_text: text,
        name: text,
    });
    let mut document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: stem(&bill.subject.file),
        document_namespace: String::new(),
        creation_info: Creation {
            created: utc(bill.subject.time),
            creators: [format!("Tool: sysext-build-{version}")],
        },
        packages,
        has_extracted_licensing_infos: extracted.collect(),
        relationships: relationships(bill),
    };
    let content = serde_json::to_vec(&document)?;
    document.document_namespace = format!("urn:uuid:{}", uuid(&content));
    json::write(&document)
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".raw").unwrap_or(file)
}

fn id(part: &str) -> String {
    format!("SPDXRef-Package-{part}")
}

fn checksums(sha256: Option<&str>) -> Vec<Checksum<'_>> {
    let checksum = sha256.map(|checksum_value| Checksum {
        algorithm: "SHA256",
        checksum_value,
    });
    checksum.into_iter().collect()
}

fn root<'a>(bill: &Bill<'a>) -> Package<'a> {
    Package {
        id: ROOT.to_owned(),
        name: bill.name,
        version_info: bill.version,
        package_file_name: Some(&bill.subject.file),
        supplier: None,
        download_location: NOASSERTION,
        files_analyzed: false,
        checksums: checksums(bill.subject.sha256.as_deref()),
        license_concluded: NOASSERTION,
        license_declared: NOASSERTION,
        license_comments: None,
        copyright_text: NOASSERTION,
        summary: None,
        source_info: None,
        comment: Some("a system extension image"),
        primary_package_purpose: Some("FILE"),
        external_refs: Vec::new(),
    }
}

fn package<'a>(part: &'a Part<'_>) -> Package<'a> {
    let known = part.package;
    let licence = known.and_then(|package| package.license.as_deref());
    let is_other = |text: &&str| *text != part.licence.expression;
    let source = known.and_then(|package| package.source_rpm.as_deref());
    let vendor = part
        .vendor()
        .map(|vendor| format!("Organization: {vendor}"));
    Package {
        id: id(&part.id),
        name: &part.name,
        version_info: part.evr.as_deref(),
        package_file_name: known.and_then(|package| package.origin.as_deref()),
        supplier: Some(vendor.unwrap_or_else(|| NOASSERTION.to_owned())),
        download_location: NOASSERTION,
        files_analyzed: false,
        checksums: checksums(known.and_then(|package| package.sha256.as_deref())),
        license_concluded: NOASSERTION,
        license_declared: &part.licence.expression,
        license_comments: (licence.filter(is_other)).map(|text| format!("the RPM says: {text}")),
        copyright_text: NOASSERTION,
        summary: known.and_then(|package| package.summary.as_deref()),
        source_info: source.map(|source| format!("built from {source}")),
        comment: match known {
            Some(_) => None,
            None => Some("not contained in the image: the base must have it"),
        },
        primary_package_purpose: None,
        external_refs: vec![External {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: &part.purl,
        }],
    }
}

fn relationships(bill: &Bill<'_>) -> Vec<Relationship> {
    let relate = |one: &str, kind, other: &str| Relationship {
        spdx_element_id: one.to_owned(),
        relationship_type: kind,
        related_spdx_element: other.to_owned(),
    };
    let mut all = vec![relate(DOCUMENT, "DESCRIBES", ROOT)];
    let contained = bill.contained.iter();
    all.extend(contained.map(|part| relate(ROOT, "CONTAINS", &id(&part.id))));
    let of_base = bill.of_base.iter();
    all.extend(of_base.map(|part| relate(ROOT, "DEPENDS_ON", &id(&part.id))));
    for part in &bill.contained {
        let required = part.requires.iter();
        all.extend(required.map(|other| relate(&id(&part.id), "DEPENDS_ON", &id(other))));
    }
    all
}
