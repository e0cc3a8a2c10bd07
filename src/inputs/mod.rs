//! What the user typed and what the environment says, checked and defaulted.
//!
//! After [`Inputs`] no code asks "was it given?". This is the only module that reads the
//! environment, and the clock: signatures and lists count until a day.

pub mod recipe;
pub mod recorded;
mod repositories;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use architecture::Architecture;
use manifest::Build;

use crate::base::{BaseSource, PackageSource};
use crate::cli::{
    BuildArguments, ImageArguments, LayoutName, LookupArguments, NetworkArguments,
    SigningArguments, VeritySigningArguments, Whether, WithoutKey, nearest_verb,
};
use crate::findings::Waivers;
use crate::pack::{Packing, kept};
use crate::packages::lock::Locking;
use crate::packages::repository::rpm_files;
use crate::packages::trust;
use crate::packages::{self, choose};
use crate::plan;
use crate::plan::build_number::Numbering;
use crate::plan::filter::RuleSet;
use crate::plan::identity::{self, Naming};
use crate::plan::labels::Labelling;
use crate::plan::matching::Matching;
use crate::publish::Destination;
use crate::publish::disk::{Format, Proving};
use crate::publish::provenance::KeyFile;
use crate::publish::signing::{
    self, KeySource, Memory, Notes, PASSPHRASE_VARIABLE, Passphrase, PassphraseSource, RootKey,
    RootKeySource,
};
use crate::trial::test::Test;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::nearest;
use store::{DEFAULT_INSTANCES, Delivery, Layout, StoreUrl};

/// The compressor that is used where none is named. docs/benchmarks.md has the measured curve.
const DEFAULT_COMPRESSION: &str = "zstd:6";
/// The block size that is used where none is named.
const DEFAULT_BLOCK_SIZE: &str = "1M";
/// Where an image may be merged if nothing is said of it.
const DEFAULT_SCOPE: &str = "system";

/// A variable that is read.
#[derive(Debug)]
pub struct Variable {
    /// Its names: one, or several that mean the same.
    pub names: &'static str,
    /// It concerns the verbs that have one of these options.
    pub options: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
}

/// All variables that this program reads.
pub const ENVIRONMENT: [Variable; 10] = [
    Variable {
        names: "SOURCE_DATE_EPOCH",
        options: &["sign_key", "tarball", "format"],
        meaning: "Seconds since 1970. No time in what is made is later, and signatures are made at \
                  this time instead of now.",
    },
    Variable {
        names: "SYSEXT_BUILD_PASSPHRASE",
        options: &["sign_key"],
        meaning: "Passphrase of the key that signs, unless --passphrase-file is given.",
    },
    Variable {
        names: "XDG_STATE_HOME, HOME",
        options: &["state_dir"],
        meaning: "Where it is noted which lists were signed, and where the key is by which the \
                  cache knows its own files, unless --state-dir is given: \
                  $XDG_STATE_HOME/sysext-build if that is an absolute path, else \
                  $HOME/.local/state/sysext-build.",
    },
    Variable {
        names: "XDG_CACHE_HOME, HOME",
        options: &["cache_dir"],
        meaning: "Where the cache is, unless --cache-dir is given: $XDG_CACHE_HOME/sysext-build if \
                  that is an absolute path, else $HOME/.cache/sysext-build.",
    },
    Variable {
        names: "http_proxy",
        options: &["cache_dir"],
        meaning: "Proxy for http. Only the lower-case name counts.",
    },
    Variable {
        names: "https_proxy, HTTPS_PROXY",
        options: &["cache_dir"],
        meaning: "Proxy for https.",
    },
    Variable {
        names: "all_proxy, ALL_PROXY",
        options: &["cache_dir"],
        meaning: "Proxy for what has none of its own.",
    },
    Variable {
        names: "no_proxy, NO_PROXY",
        options: &["cache_dir"],
        meaning: "Hosts that are asked without a proxy.",
    },
    Variable {
        names: "SSL_CERT_FILE",
        options: &["cache_dir"],
        meaning: "Certificates to trust instead of the system's.",
    },
    Variable {
        names: "NO_COLOR, TERM",
        options: &["quiet"],
        meaning: "No bar moves and no word has a colour where NO_COLOR is set and not empty, or TERM is dumb.",
    },
];

/// Everything that decides what is built, and where to.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// What is asked of packages, and how they may be chosen.
    pub packages: packages::Settings,
    /// Where the base is described.
    pub base: BaseSource,
    /// What decides the plan.
    pub plan: plan::Settings,
    /// Stores and images that clients may merge with the image.
    pub with: Vec<PathBuf>,
    /// Which findings do not stop the build.
    pub waivers: Waivers,
    /// How the image is packed.
    pub packing: Packing,
    /// Where the image goes.
    pub destination: Destination,
    /// What signs the list.
    pub signing: signing::Settings,
    /// What proves the file system, if the image is a disk with hashes.
    pub proving: Option<Proving>,
    /// What was asked for disk images of this run, of which this need not be one.
    pub asked_proof: Option<Proving>,
    /// Nothing is to be written.
    pub dry_run: bool,
    /// What has to hold where the image is merged, if that is to be tried.
    pub tests: Option<Vec<Test>>,
    /// Where a copy of the tree goes.
    pub tree: Option<PathBuf>,
    /// What signs a statement about how the image was built, if that is wanted.
    pub provenance: Option<KeyFile>,
    /// What the manifest records, so that the image can be built again.
    pub build: Build,
}

impl Inputs {
    /// Checks the arguments and reads the environment.
    pub fn new(arguments: &BuildArguments) -> Result<Self> {
        let image = &arguments.image;
        let no_package = arguments.inputs.is_empty() && arguments.names.is_empty();
        if no_package && image.overlay.is_none() {
            return Err(Failure::usage("no INPUT given")
                .hint("give an RPM, for example: sysext-build strace-6.11-1.1.x86_64.rpm")
                .hint("for more, see sysext-build --help"));
        }
        if arguments.obs && image.build_number == Some(Numbering::Auto) {
            let text = "--build-number auto counts what a list has, and with --obs there is none";
            return Err(Failure::usage(text)
                .hint("give the service's own number: --build-number \"$BUILD_RELEASE\""));
        }
        let layout = layout(arguments.layout);
        let naming = Naming {
            layout,
            name: image.name.clone(),
            version: image.image_version.clone(),
            numbering: image.build_number.clone().unwrap_or_default(),
            architecture: image.arch.as_deref().map(architecture).transpose()?,
            scope: scope(image.scope.as_deref().unwrap_or(DEFAULT_SCOPE))?,
        };
        if let Some(name) = &naming.name {
            store::check_name(name)
                .map_err(|problem| Failure::usage(format!("--name {name:?} {problem}")))?;
        }
        if let Some(version) = &naming.version {
            identity::check_version(version).map_err(|problem| {
                Failure::usage(format!("--image-version {version:?} {problem}"))
            })?;
        }
        if no_package && (naming.name.is_none() || naming.version.is_none()) {
            return Err(
                Failure::usage("an overlay alone gives the image no name or version")
                    .hint("add --name NAME --image-version VERSION"),
            );
        }
        if let Some(overlay) = &image.overlay
            && !overlay.is_dir()
        {
            return Err(Failure::usage(format!(
                "--overlay {} is not a directory",
                overlay.display()
            )));
        }
        if !image.base_install.is_empty() && arguments.repo.is_empty() {
            return Err(
                Failure::usage("--base-install needs a repository").hint("add one with --repo")
            );
        }
        let asked = asked(arguments, naming.architecture)?;
        let asked_proof = asked_proof(arguments)?;
        let inputs = Self {
            build: Build::default(),
            provenance: provenance(arguments)?,
            proving: proving(image.format.unwrap_or_default(), asked_proof.as_ref())?,
            asked_proof,
            packages: asked,
            base: base(image),
            plan: plan::Settings {
                overlay: image.overlay.clone(),
                rules: RuleSet::new(&image.keep, &image.drop)?
                    .with_opt_below_usr(image.opt.is_some()),
                epoch: source_date_epoch()?,
                naming,
                matching: image.matching.unwrap_or_default(),
                updates: updates(arguments, layout)?,
                etc: image.etc.clone(),
                labelling: labelling(image.selinux.as_deref()),
                start: image.start.clone(),
                preset: image.preset.unwrap_or(false),
                merge_unit: !image.no_merge_unit.unwrap_or(false),
            },
            with: image.with.clone(),
            waivers: Waivers::new(&arguments.allow, arguments.strict)?
                .because(arguments.reasons.clone()),
            packing: packing(arguments)?,
            destination: Destination {
                output: output(&arguments.output)?,
                layout,
                obs: arguments.obs,
                replace: arguments.replace,
                allow_older: arguments.allow_older,
                best_before: arguments.best_before,
                now: clock()?,
                bills: image.sbom.iter().map(|form| (*form).into()).collect(),
                blocks: image.blocks.unwrap_or(false),
                is_passing: false,
            },
            signing: signing_beside(&arguments.signing, has_other_key(arguments))?,
            dry_run: arguments.dry_run,
            tests: arguments.test.then(|| arguments.tests.clone()),
            tree: arguments.tree.clone(),
        };
        Ok(Self {
            build: recorded::of(arguments, &inputs),
            ..inputs
        })
    }
}

/// Says where labels come from.
fn labelling(typed: Option<&Path>) -> Labelling {
    match (typed, typed.and_then(Path::to_str)) {
        (None, _) | (_, Some("auto")) => Labelling::Auto,
        (_, Some("none")) => Labelling::None,
        (Some(path), _) => Labelling::File(path.to_owned()),
    }
}

/// Says what is asked of packages, and how they may be chosen.
fn asked(
    arguments: &BuildArguments,
    architecture: Option<Architecture>,
) -> Result<packages::Settings> {
    let locking = locking(arguments)?;
    if let (Some(name), []) = (arguments.names.first(), &arguments.repo[..]) {
        let text = format!("no such file: {name}");
        return Err(Failure::usage(text).hint(
            "to install it by name, add --repo or, in a recipe, \
            repositories",
        ));
    }
    let has_repository = !arguments.repo.is_empty();
    let is_numbered = arguments.image.build_number == Some(Numbering::Auto);
    let mut names = Vec::new();
    let mut files = Vec::new();
    for input in &arguments.inputs {
        match input.to_str() {
            Some(text) if has_repository && choose::is_request(text, input) => {
                names.push(text.to_owned());
            }
            _ => files.push(input.clone()),
        }
    }
    let is_file = |name: &&String| !name.starts_with('/') && Path::new(name).exists();
    let not_files = names.iter().filter(is_file).cloned().collect();
    names.extend(arguments.names.iter().cloned());
    let main = arguments.image.name.clone();
    match files.is_empty() {
        true => packages::main_first(&mut names, |name| main.as_ref() == Some(name), Clone::clone),
        false => names.sort(),
    }
    Ok(packages::Settings {
        files: rpm_files_of(&files)?,
        names,
        main,
        not_files,
        repositories: repositories::named(&arguments.repo, &arguments.image.exclude)?,
        variables: repositories::variables(&arguments.image)?,
        downloads: repositories::downloads(&arguments.network, &arguments.signing)?,
        trust: trust::Settings {
            keyrings: arguments.keyring.clone(),
            import_keys: arguments.import_keys,
            repo_gpgcheck: arguments.repo_gpgcheck,
            now: clock()?,
        },
        locking,
        modules: arguments.image.module.clone(),
        recommends: arguments.image.recommends.unwrap_or(false),
        assume_next_build: arguments.image.assume_next_build.unwrap_or(false),
        architecture,
        dry_run: arguments.dry_run,
        // An image that is there may turn out to be made of the same.
        plan_first: arguments.dry_run || is_numbered && arguments.output.is_dir(),
        in_order: false,
    })
}

/// Says where the packages of a base are looked up.
pub fn looking_up(
    arguments: &LookupArguments,
    state: Option<&Path>,
    architecture: Option<Architecture>,
) -> Result<packages::Settings> {
    let signing = SigningArguments {
        state_dir: state.map(Path::to_owned),
        ..SigningArguments::default()
    };
    Ok(packages::Settings {
        files: Vec::new(),
        names: Vec::new(),
        main: None,
        not_files: Vec::new(),
        modules: Vec::new(),
        repositories: repositories::named(&arguments.repo, &[])?,
        variables: BTreeMap::new(),
        downloads: repositories::downloads(&arguments.network, &signing)?,
        trust: trust::Settings {
            keyrings: arguments.keyring.clone(),
            import_keys: arguments.import_keys,
            repo_gpgcheck: arguments.repo_gpgcheck,
            now: clock()?,
        },
        locking: Locking::None,
        recommends: false,
        assume_next_build: arguments.assume_next_build,
        architecture,
        dry_run: true,
        plan_first: true,
        in_order: false,
    })
}

/// Returns how files are fetched that are nobody's to keep, with the file of certificates to trust.
pub fn fetching(arguments: &NetworkArguments) -> Result<(fetch::Options, Option<PathBuf>)> {
    let settings = repositories::downloads(arguments, &SigningArguments::default())?;
    Ok((settings.fetch, settings.authorities))
}

/// Says how the image is packed.
fn packing(arguments: &BuildArguments) -> Result<Packing> {
    let image = &arguments.image;
    let compression = image.compression.as_deref();
    let block = image.block_size.as_deref();
    Ok(Packing {
        compressor: compression
            .unwrap_or(DEFAULT_COMPRESSION)
            .parse()
            .map_err(|error| Failure::usage(format!("--compression: {error}")))?,
        block_size: block_size(block.unwrap_or(DEFAULT_BLOCK_SIZE))?,
        workers: workers(arguments.jobs)?,
        kept: kept_blocks(arguments)?,
    })
}

/// Says what is to be done with a lock.
fn locking(arguments: &BuildArguments) -> Result<Locking> {
    let image = &arguments.image;
    match (&image.lock, arguments.locked) {
        (None, false) => Ok(Locking::None),
        (None, true) => {
            Err(Failure::usage("--locked needs a lock").hint("give it with --lock FILE"))
        }
        (Some(_), _) if arguments.repo.is_empty() => Err(Failure::usage(
            "--lock needs a repository: without one, nothing is chosen",
        )
        .hint("add one with --repo")),
        (Some(path), false) => Ok(Locking::Write(path.clone())),
        (Some(path), true) => Ok(Locking::Follow(path.clone())),
    }
}

/// Says where the base is described. What is not said is this host, unless nothing of it would be
/// looked at.
fn base(image: &ImageArguments) -> BaseSource {
    let is_one_system = image.matching != Some(Matching::Any);
    let packages = match (&image.base, &image.base_install[..]) {
        (Some(path), _) => PackageSource::At(path.clone()),
        (None, names @ [_, ..]) => PackageSource::Install(names.to_vec()),
        (None, []) if image.os_release.is_none() && is_one_system => PackageSource::Host,
        (None, []) => PackageSource::Unknown,
    };
    BaseSource {
        packages,
        os_release: image.os_release.clone(),
        is_one_system,
    }
}

/// Returns the directory for the image. It may be one that is not there yet, but not a file.
fn output(path: &Path) -> Result<PathBuf> {
    let is_file = |path: &&Path| path.symlink_metadata().is_ok() && !path.is_dir();
    match path.ancestors().find(is_file) {
        None => Ok(path.to_owned()),
        Some(file) => {
            let text = format!(
                "--output takes a directory, but {} is not one",
                file.display()
            );
            Err(Failure::usage(text)
                .hint("the image's own name comes from --name and --image-version"))
        }
    }
}

/// Says whether the user asked for output without colour or motion, by `NO_COLOR` or a dumb
/// terminal.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
pub fn plain_terminal() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// Returns the kind of terminal that a command is started on.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
pub fn terminal() -> Option<OsString> {
    std::env::var_os("TERM")
}

/// Returns what signs, if anything was named, and at what time.
pub fn signing(arguments: &SigningArguments) -> Result<signing::Settings> {
    let now = clock()?;
    Ok(signing::Settings {
        key: key(arguments)?,
        new_key: arguments.new_key,
        memory: Memory::new(state_directory(arguments)),
        time: source_date_epoch()?.map_or(now, u64::from),
        now,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
fn key(arguments: &SigningArguments) -> Result<Option<KeySource>> {
    if arguments.passphrase_file.is_some() && arguments.sign_key.is_none() {
        return Err(Failure::usage("--passphrase-file is for --sign-key FILE"));
    }
    if let Some(name) = &arguments.gpg_key {
        let variables = signing::GPG_ENVIRONMENT.into_iter();
        let environment = variables.filter_map(|name| Some((name, std::env::var_os(name)?)));
        return Ok(Some(KeySource::Gpg(name.clone(), environment.collect())));
    }
    let Some(path) = &arguments.sign_key else {
        return Ok(None);
    };
    Ok(Some(KeySource::File(path.clone(), passphrase(arguments)?)))
}

/// Says where the passphrase of a secret key comes from.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
fn passphrase(arguments: &SigningArguments) -> Result<PassphraseSource> {
    match (
        &arguments.passphrase_file,
        std::env::var_os(PASSPHRASE_VARIABLE),
    ) {
        (Some(file), _) => Ok(PassphraseSource::File(file.clone())),
        (None, Some(value)) => match value.into_string() {
            Ok(text) => Ok(PassphraseSource::Given(Passphrase::new(text))),
            Err(_) => Err(Failure::usage(format!(
                "{PASSPHRASE_VARIABLE} is not UTF-8"
            ))),
        },
        (None, None) => Ok(PassphraseSource::Terminal),
    }
}

/// Says what proves disk images, as far as it was typed.
fn asked_proof(arguments: &BuildArguments) -> Result<Option<Proving>> {
    if let Some(without) = arguments.verity {
        return Ok(Some(match without {
            WithoutKey::Defer => Proving::Deferred,
            WithoutKey::Unsigned => Proving::Unsigned,
        }));
    }
    let key = root_key(&arguments.verity_signing, None, &arguments.signing)?;
    Ok(key.map(|key| Proving::Signed(Box::new(key))))
}

/// Says what signs what is in a disk image, if anything was named: a signature that was made elsewhere,
/// a key or a command.
pub fn root_key(
    arguments: &VeritySigningArguments,
    signature: Option<&Path>,
    signing: &SigningArguments,
) -> Result<Option<RootKey>> {
    let Some(path) = &arguments.verity_cert else {
        return Ok(None);
    };
    let (key, command) = (&arguments.verity_key, &arguments.verity_signer);
    let source = match (signature, key, command) {
        (Some(signature), ..) => RootKeySource::Signature(signature.to_owned()),
        (None, Some(key), _) => RootKeySource::File(key.clone(), passphrase(signing)?),
        (None, None, Some(command)) => RootKeySource::Command(command.clone()),
        (None, None, None) => {
            return Err(Failure::usage("--verity-cert: nothing says what signs")
                .hint("name the key of the certificate: --verity-key FILE")
                .hint("or a command that signs with it: --verity-signer COMMAND"));
        }
    };
    Ok(Some(RootKey {
        source,
        certificate: certificate(path)?,
    }))
}

/// Reads the certificate of what signs disk images.
pub fn certificate(path: &Path) -> Result<verity::Certificate> {
    let certificates = signing::read_certificates(path)?;
    (certificates.into_iter().next())
        .ok_or_else(|| Failure::usage(format!("--verity-cert: {} is empty", path.display())))
}

/// Says what proves an image of a format.
fn proving(format: Format, asked: Option<&Proving>) -> Result<Option<Proving>> {
    match (format, asked) {
        (Format::Squashfs, None) => Ok(None),
        (Format::Ddi, Some(asked)) => Ok(Some(asked.clone())),
        (Format::Squashfs, Some(_)) => Err(Failure::usage(
            "a bare file system has no place for hashes and their signature",
        )
        .hint("add --format ddi")),
        (Format::Ddi, None) => Err(Failure::usage(
            "--format ddi: nothing says what signs the image",
        )
        .hint("name a key and its certificate: --verity-key FILE --verity-cert FILE")
        .hint("or a command that signs: --verity-signer COMMAND --verity-cert FILE")
        .hint("or leave that to sign-verity: --verity defer")
        .hint("or say that none does: --verity unsigned")),
    }
}

/// Whether a key is named besides that of the list.
fn has_other_key(arguments: &BuildArguments) -> bool {
    arguments.verity_signing.verity_key.is_some() || arguments.provenance.is_some()
}

/// Says what signs statements, if that is wanted.
fn provenance(arguments: &BuildArguments) -> Result<Option<KeyFile>> {
    let Some(path) = &arguments.provenance else {
        return Ok(None);
    };
    if arguments.verity == Some(WithoutKey::Defer) {
        let text = "--provenance: the image has other bytes once it is signed, so a statement about it \
                    would be about no image";
        return Err(
            Failure::usage(text).hint("sign it while it is built: --verity-key or --verity-signer")
        );
    }
    key_file(path, arguments.signing.passphrase_file.as_deref()).map(Some)
}

/// Names a key that signs statements.
pub fn key_file(path: &Path, passphrase_file: Option<&Path>) -> Result<KeyFile> {
    let signing = SigningArguments {
        passphrase_file: passphrase_file.map(Path::to_owned),
        ..SigningArguments::default()
    };
    Ok(KeyFile {
        path: path.to_owned(),
        passphrase: passphrase(&signing)?,
    })
}

/// Says what signs the list where there is another key, too, if `is_beside`.
pub fn signing_beside(arguments: &SigningArguments, is_beside: bool) -> Result<signing::Settings> {
    let mut own = arguments.clone();
    // The passphrase may be that of the other key.
    if own.sign_key.is_none() && is_beside {
        own.passphrase_file = None;
    }
    signing(&own)
}

/// Returns the time of the clock, in seconds since 1970. Whatever is checked for its age is checked by
/// it: `SOURCE_DATE_EPOCH` says when something is made, not which day it is.
#[expect(
    clippy::disallowed_methods,
    reason = "a signature and a list count until a day"
)]
pub fn clock() -> Result<u64> {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map(|time| time.as_secs())
        .map_err(|error| Failure::io("reading the clock", error))
}

/// Reads `SOURCE_DATE_EPOCH`; its meaning is that of reproducible-builds.org.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
pub fn source_date_epoch() -> Result<Option<u32>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    text.to_str()
        .and_then(|text| text.trim().parse().ok())
        .map(Some)
        .ok_or_else(|| {
            Failure::usage(format!(
                "SOURCE_DATE_EPOCH is {text:?}, not a number of seconds from 0 to {}",
                u32::MAX
            ))
        })
}

fn layout(name: LayoutName) -> Layout {
    match name {
        LayoutName::Flat => Layout::Flat,
        LayoutName::PerName => Layout::PerName,
        LayoutName::Flatcar => Layout::Flatcar,
        LayoutName::Fedora => Layout::Fedora,
    }
}

/// Returns where an installed image finds its successors.
fn updates(arguments: &BuildArguments, layout: Layout) -> Result<Option<Delivery>> {
    let Some(url) = &arguments.sysupdate_url else {
        return Ok(None);
    };
    let signing = &arguments.signing;
    let verify = match arguments.sysupdate_verify {
        Some(whether) => whether == Whether::Yes,
        None if signing.sign_key.is_some() || signing.gpg_key.is_some() => true,
        // Whatever were taken, someone would be surprised: clients that refuse every update, or
        // clients that take one from anybody.
        None => {
            return Err(
                Failure::usage("--sysupdate-url: can't tell whether the store is signed")
                    .hint("to have clients verify updates, sign it with --sign-key FILE")
                    .hint("or decide with --sysupdate-verify yes|no"),
            );
        }
    };
    Ok(Some(Delivery {
        url: StoreUrl::new(url)
            .map_err(|problem| Failure::usage(format!("--sysupdate-url {url:?} {problem}")))?,
        per_name: layout.is_per_name(),
        ending: layout.pattern_ending(),
        verify,
        instances: DEFAULT_INSTANCES,
    }))
}

/// Returns what this user remembers of the lists that were signed.
pub fn notes() -> Result<Notes> {
    Memory::new(own_directory("XDG_STATE_HOME", ".local/state")).read()
}

/// Returns where is kept what must outlive a run and be nobody else's to write.
fn state_directory(arguments: &SigningArguments) -> Option<PathBuf> {
    let given = arguments.state_dir.clone();
    given.or_else(|| own_directory("XDG_STATE_HOME", ".local/state"))
}

/// Returns this program's directory in one of the user's base directories.
#[expect(
    clippy::disallowed_methods,
    reason = "this module is the reader of the environment"
)]
fn own_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    below(
        std::env::var_os(variable),
        std::env::var_os("HOME"),
        below_home,
    )
}

/// Returns this program's directory in a base directory, else in one in the user's home. Only absolute
/// paths count: others would be another directory wherever it is run.
fn below(base: Option<OsString>, home: Option<OsString>, below_home: &str) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    let home = || Some(home.and_then(absolute)?.join(below_home));
    let base = base.and_then(absolute).or_else(home)?;
    Some(base.join("sysext-build"))
}

/// Says that the first word is neither a file nor a verb, if there is a verb like it.
fn mistyped_verb(input: &Path, error: &std::io::Error) -> Option<Failure> {
    let name = (input.to_str()).filter(|_| error.kind() == std::io::ErrorKind::NotFound)?;
    let verb = nearest_verb(name)?;
    let failure = Failure::usage(format!("{name:?} is neither a file nor a verb"));
    Some(failure.hint(format!("did you mean sysext-build {verb}?")))
}

/// Says why an input can't be read; what looks like a package's name may be meant as one.
fn unreadable(input: &Path, error: std::io::Error) -> Failure {
    let is_missing = error.kind() == std::io::ErrorKind::NotFound;
    let failure = Failure::io(format!("reading {}", input.display()), error);
    let Some(name) = input.to_str().filter(|_| is_missing) else {
        return failure;
    };
    match choose::is_request(name, input) {
        true => {
            let name = match name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/.+_-".contains(&byte))
            {
                true => name.to_owned(),
                false => format!("'{name}'"),
            };
            failure.hint(format!(
                "for a package of a repository: sysext-build --repo FILE.repo {name}"
            ))
        }
        false => failure,
    }
}

/// Returns the RPM files that the inputs name; a directory stands for its `*.rpm`, in byte order
/// of their names.
pub fn rpm_files_of(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut packages = Vec::new();
    let mut seen = BTreeSet::new();
    for (position, input) in inputs.iter().enumerate() {
        let metadata = std::fs::metadata(input).map_err(|error| match position {
            0 => mistyped_verb(input, &error).unwrap_or_else(|| unreadable(input, error)),
            _ => unreadable(input, error),
        })?;
        let found = if metadata.is_dir() {
            rpm_files(input)?
        } else {
            vec![input.clone()]
        };
        for package in found {
            if seen.insert(package.clone()) {
                packages.push(package);
            }
        }
    }
    Ok(packages)
}

/// Returns the architecture that the user named.
pub fn architecture(text: &str) -> Result<Architecture> {
    Architecture::named(text).ok_or_else(|| unknown_architecture("--arch", text))
}

/// Refuses an architecture that is not known, with the nearest that is.
fn unknown_architecture(option: &str, text: &str) -> Failure {
    let failure = Failure::usage(format!("{option}: unknown architecture {text:?}"));
    match nearest(text, Architecture::every_name()) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => {
            let names: Vec<_> = Architecture::names().collect();
            failure.hint(format!("possible values: {}", names.join(", ")))
        }
    }
}

/// Checks a scope: systemd knows these three words, and takes several.
fn scope(text: &str) -> Result<String> {
    let words: Vec<_> = text.split_whitespace().collect();
    match words
        .iter()
        .find(|word| !["system", "portable", "initrd"].contains(word))
    {
        None if !words.is_empty() => Ok(words.join(" ")),
        _ => Err(Failure::usage(format!(
            "--scope {text:?} is not a list of system, portable and initrd"
        ))),
    }
}

fn block_size(text: &str) -> Result<u32> {
    size(text)
        .and_then(|size| u32::try_from(size).ok())
        .filter(|size| size.is_power_of_two() && (4096..=1024 * 1024).contains(size))
        .ok_or_else(|| {
            Failure::usage(format!(
                "--block-size {text:?} is not a power of two from 4K to 1M"
            ))
        })
}

/// Reads a number of bytes: digits, and a letter for a power of 1024.
fn size(text: &str) -> Option<u64> {
    let (digits, power) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 1),
        b'M' | b'm' => (&text[..text.len() - 1], 2),
        b'G' | b'g' => (&text[..text.len() - 1], 3),
        b'T' | b't' => (&text[..text.len() - 1], 4),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok()?;
    number.checked_mul(1024_u64.pow(power))
}

/// Says where compressed blocks are kept, if they are.
fn kept_blocks(arguments: &BuildArguments) -> Result<Option<kept::Settings>> {
    let text = arguments.block_cache.as_deref().unwrap_or("0");
    let Some(limit) = size(text) else {
        let wrong = format!("--block-cache {text:?} is not a size such as 4G");
        return Err(Failure::usage(wrong));
    };
    let state = state_directory(&arguments.signing);
    let settings = (repositories::cache_directory(&arguments.network)).zip(state);
    Ok(settings
        .filter(|_| limit > 0)
        .map(|(root, state)| kept::Settings { root, state, limit }))
}

/// Returns the number of threads: what the user wants, else one a core.
pub fn workers(jobs: Option<usize>) -> Result<usize> {
    match jobs {
        Some(jobs @ 1..=256) => Ok(jobs),
        Some(jobs) => Err(Failure::usage(format!(
            "--jobs {jobs} is not from 1 to 256"
        ))),
        None => Ok(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(256))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn relative_paths_are_no_base_directories() {
        for (base, home, expected) in [
            (Some("/b"), Some("/h"), Some("/b/sysext-build")),
            (None, Some("/h"), Some("/h/.c/sysext-build")),
            (Some("b"), Some("/h"), Some("/h/.c/sysext-build")),
            (Some(""), Some("/h"), Some("/h/.c/sysext-build")),
            (Some("b"), Some("h"), None),
            (None, Some(""), None),
            (None, None, None),
        ] {
            let found = below(base.map(Into::into), home.map(Into::into), ".c");
            assert_eq!(found, expected.map(PathBuf::from), "{base:?} {home:?}");
        }
    }

    #[test]
    fn block_sizes() {
        for (text, size) in [
            ("128K", Some(131_072)),
            ("1M", Some(1_048_576)),
            ("4096", Some(4096)),
            ("2M", None),
            ("2K", None),
            ("100K", None),
            ("", None),
            ("K", None),
            ("99999999999M", None),
        ] {
            assert_eq!(block_size(text).ok(), size, "{text}");
        }
    }

    #[test]
    fn scopes() {
        assert_eq!(scope("system  portable").unwrap(), "system portable");
        assert!(scope("").is_err());
        assert!(scope("host").is_err());
    }

    /// Returns what a command line becomes, or why it is refused.
    fn typed(line: &str) -> std::result::Result<Inputs, String> {
        let words = std::iter::once("sysext-build").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| {
            let said = error.to_string();
            said.lines().next().unwrap_or_default().to_owned()
        })?;
        Inputs::new(&cli.build).map_err(|failure| {
            assert_eq!(failure.code(), 2, "{line}");
            format!("{:#}", failure.source)
        })
    }

    #[test]
    fn what_makes_no_sense() {
        for (line, expected) in [
            ("", "no INPUT given"),
            (
                "--overlay src",
                "an overlay alone gives the image no name or version",
            ),
            (
                "--overlay none --name a --image-version 1",
                "--overlay none is not a directory",
            ),
            (
                "fixtures --base-install a",
                "--base-install needs a repository",
            ),
            ("fixtures --locked", "--locked needs a lock"),
            (
                "fixtures --lock x",
                "--lock needs a repository: without one, nothing is chosen",
            ),
            (
                "fixtures --scope host",
                "--scope \"host\" is not a list of system, portable and initrd",
            ),
            (
                "fixtures --block-size 3K",
                "--block-size \"3K\" is not a power of two from 4K to 1M",
            ),
            ("fixtures --jobs 0", "--jobs 0 is not from 1 to 256"),
            (
                "fixtures --timeout 0",
                "--timeout 0 is not from 1 to 3600 seconds",
            ),
            (
                "fixtures --repo a=fixtures --repo a=tests",
                "two repositories have the name a",
            ),
            (
                "fixtures --sysupdate-url https://example.org/",
                "--sysupdate-url: can't tell whether the store is signed",
            ),
            (
                "fixtures --base a --base-install b",
                "error: the argument '--base <BASE>' cannot be used with '--base-install <NAME>'",
            ),
            (
                "fixtures --dry-run --tree a",
                "error: the argument '--dry-run' cannot be used with '--tree <DIR>'",
            ),
            (
                "fixtures --offline --refresh",
                "error: the argument '--offline' cannot be used with '--refresh'",
            ),
        ] {
            assert_eq!(typed(line).err().as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let inputs = typed("fixtures").unwrap();
        assert_eq!(inputs.packing.block_size, 1 << 20);
        assert_eq!(inputs.plan.naming.scope, "system");
        assert_eq!(inputs.plan.matching, Matching::VersionId);
        assert_eq!(inputs.destination.output, Path::new("."));
        assert_eq!(inputs.destination.layout, Layout::Flat);
        assert!(inputs.packages.names.is_empty() && inputs.packages.repositories.is_empty());
        assert!(matches!(inputs.base.packages, PackageSource::Host));
        assert!(inputs.base.is_one_system);

        let inputs =
            typed("strace fixtures --repo fixtures --match any --scope initrd --block-size 4K")
                .unwrap();
        assert_eq!(inputs.packing.block_size, 4096);
        assert_eq!(inputs.plan.naming.scope, "initrd");
        assert_eq!(inputs.packages.names, ["strace"]);
        assert!(matches!(inputs.base.packages, PackageSource::Unknown));
        assert!(!inputs.base.is_one_system);
    }
}
