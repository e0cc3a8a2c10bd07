//! Repositories that were named, and how they are read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{own_directory, state_directory};
use crate::cli::{ImageArguments, NetworkArguments, SigningArguments};
use crate::packages::repository::{self, RepositorySource};
use crate::words::failure::{Failure, Result};

/// Files with the certificates that the distributions' programs trust, one of which is there.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// Reads the repositories that were named, each with a name of its own and without what is to be
/// excluded from all of them.
pub fn named(values: &[String], exclude: &[String]) -> Result<Vec<RepositorySource>> {
    let mut sources: Vec<RepositorySource> = Vec::new();
    for value in values {
        for mut source in repository::named(value)? {
            source.admitted.asked.extend_from_slice(exclude);
            if sources.iter().any(|other| other.name == source.name) {
                return Err(Failure::usage(format!(
                    "two repositories have the name {}",
                    source.name
                ))
                .hint("give one of them another name: --repo NAME=PLACE"));
            }
            sources.push(source);
        }
    }
    Ok(sources)
}

/// Returns the variables of `.repo` files that were given values; of two the last one counts.
pub fn variables(image: &ImageArguments) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for pair in &image.set {
        let is_name = |name: &str| {
            let mut letters = name.bytes();
            !name.is_empty() && letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| is_name(name)) else {
            return Err(Failure::usage(format!("--set {pair:?} is not NAME=VALUE"))
                .hint("for example --set contentdir=pub/rocky"));
        };
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables.extend(
        image
            .releasever
            .iter()
            .map(|value| ("releasever".to_owned(), value.clone())),
    );
    Ok(variables)
}

/// Returns where the cache is, unless there is no place for it.
pub fn cache_directory(arguments: &NetworkArguments) -> Option<PathBuf> {
    (arguments.cache_dir.clone()).or_else(|| own_directory("XDG_CACHE_HOME", ".cache"))
}

/// Reads how files are fetched, from the options and from the variables that every program knows.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
pub fn downloads(
    arguments: &NetworkArguments,
    signing: &SigningArguments,
) -> Result<repository::Settings> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| variable(name));
        value.and_then(|value| value.into_string().ok())
    };
    let authorities = variable("SSL_CERT_FILE").map(PathBuf::from);
    let known = || {
        AUTHORITIES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    };
    if !(1..=3600).contains(&arguments.timeout) {
        return Err(Failure::usage(format!(
            "--timeout {} is not from 1 to 3600 seconds",
            arguments.timeout
        )));
    }
    // The programs that set http_proxy for others do it in small letters, since web servers make
    // variables such as HTTP_PROXY of what a client sends.
    let any = ["all_proxy", "ALL_PROXY"];
    Ok(repository::Settings {
        cache: cache_directory(arguments),
        state: state_directory(signing),
        offline: arguments.offline,
        refresh: arguments.refresh,
        fetch: fetch::Options {
            user_agent: concat!("sysext-build/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(arguments.timeout),
            attempts: arguments.retries.saturating_add(1),
            http_proxy: text(&["http_proxy"]).or_else(|| text(&any)),
            https_proxy: text(&["https_proxy", "HTTPS_PROXY"]).or_else(|| text(&any)),
            no_proxy: text(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
            authorities: None,
        },
        authorities: authorities.or_else(known),
    })
}
