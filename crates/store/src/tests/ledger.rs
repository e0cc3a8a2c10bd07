//! A signed store is only extended from the list that its key signed.

use std::cell::RefCell;
use std::fs;
use std::num::NonZero;

use super::workshop::{KEY, Scratch, examine, filled, gzip, sign, sign_by, signed, signing};
use super::{list, without_number};
use crate::{
    Basis, DayProblem, Error, Examination, Issued, Listing, Per, Pruning, Publication, Serial,
    Setback, Signing, Store, Verdict,
};

/// What somebody without the key does to a store.
type Tamper = fn(&Scratch);

/// A manifest of an image of the extension `a`.
fn manifest(version: &str) -> Vec<u8> {
    let config = format!(r#"{{"name":"a","version":"{version}"}}"#);
    gzip(format!(r#"{{"manifest_version":1,"config":{config}}}"#).as_bytes())
}

/// An image of the extension `a`.
fn publication(store: &Store, version: &str) -> Publication {
    let stem = format!("a-{version}");
    let temporary = || store.temporary().unwrap();
    Publication {
        name: "a".to_owned(),
        image: filled(temporary(), format!("{stem}.raw"), stem.as_bytes()),
        manifest: filled(
            temporary(),
            format!("{stem}.manifest.gz"),
            &manifest(version),
        ),
        attached: Vec::new(),
        replace: false,
        allow_older: false,
    }
}

/// A signed store with a published key and two versions of an image.
fn store(scratch: &Scratch) -> Store {
    let store = scratch.store();
    for version in ["1", "2"] {
        store.add(publication(&store, version), signed()).unwrap();
    }
    scratch.write("import-pubring.gpg", KEY.as_bytes());
    store
}

fn read(scratch: &Scratch, name: &str) -> Vec<u8> {
    fs::read(scratch.0.join(name)).unwrap()
}

/// A list of another's image, with bytes that fit it.
fn foreign_list(scratch: &Scratch) -> Vec<u8> {
    scratch.write("a-2.raw", b"evil");
    list(&[
        ("a-1.manifest.gz", &manifest("1")),
        ("a-1.raw", b"a-1"),
        ("a-2.manifest.gz", &manifest("2")),
        ("a-2.raw", b"evil"),
    ])
}

/// A change by the owner; every kind of them.
type Change = fn(&Store, Listing<'_>) -> Result<(), Error>;

const CHANGES: [(&str, Change); 4] = [
    ("add", |store, listing| {
        store.add(publication(store, "3"), listing).map(drop)
    }),
    ("add what is there", |store, listing| {
        store.add(publication(store, "1"), listing).map(drop)
    }),
    ("prune", |store, listing| {
        let keep = NonZero::<usize>::MIN;
        let per = Per::Name;
        let pruning = Pruning { keep, per };
        store.prune(pruning, false, listing).map(drop)
    }),
    ("repair", |store, listing| {
        store.repair(&[], listing).map(drop)
    }),
];

/// The refusal's first word.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::SignatureInvalid { .. } => "signature-invalid",
        Error::SignatureMissing { .. } => "signature-missing",
        Error::OtherKey { .. } => "other-key",
        Error::File(files::Error::WrongKind { .. }) => "not-a-file",
        Error::File(files::Error::TooLarge { .. }) => "too-large",
        other => panic!("{other}"),
    }
}

#[test]
fn what_others_changed_is_never_signed() {
    let tampers: [(&str, &str, Tamper); 15] = [
        ("a hash changed", "signature-invalid", |scratch| {
            scratch.write("SHA256SUMS", &foreign_list(scratch));
        }),
        ("a line added", "signature-invalid", |scratch| {
            let mut bytes = read(scratch, "SHA256SUMS");
            bytes.extend(list(&[("z.raw", b"z")]));
            scratch.write("SHA256SUMS", &bytes);
        }),
        ("lines in another order", "signature-invalid", |scratch| {
            let text = String::from_utf8(read(scratch, "SHA256SUMS")).unwrap();
            let lines: Vec<_> = text.split_inclusive('\n').rev().collect();
            scratch.write("SHA256SUMS", lines.concat().as_bytes());
        }),
        ("the list removed", "signature-invalid", |scratch| {
            fs::remove_file(scratch.0.join("SHA256SUMS")).unwrap();
        }),
        ("the list emptied", "signature-invalid", |scratch| {
            scratch.write("SHA256SUMS", b"");
        }),
        ("the signature removed", "signature-missing", |scratch| {
            fs::remove_file(scratch.0.join("SHA256SUMS.gpg")).unwrap();
        }),
        ("both removed", "signature-missing", |scratch| {
            fs::remove_file(scratch.0.join("SHA256SUMS")).unwrap();
            fs::remove_file(scratch.0.join("SHA256SUMS.gpg")).unwrap();
        }),
        (
            "the signature of another list",
            "signature-invalid",
            |scratch| {
                let other = sign(&list(&[("a-1.raw", b"a-1")])).unwrap();
                scratch.write("SHA256SUMS.gpg", &other);
            },
        ),
        ("garbage for a signature", "signature-invalid", |scratch| {
            scratch.write("SHA256SUMS.gpg", b"x");
        }),
        ("an empty signature", "signature-invalid", |scratch| {
            scratch.write("SHA256SUMS.gpg", b"");
        }),
        ("a signature that is too large", "too-large", |scratch| {
            scratch.write("SHA256SUMS.gpg", &vec![0; (1 << 20) + 1]);
        }),
        ("a key that nobody knows", "signature-invalid", |scratch| {
            let bytes = foreign_list(scratch);
            scratch.write("SHA256SUMS", &bytes);
            scratch.write("SHA256SUMS.gpg", &sign_by("thief", &bytes));
        }),
        ("a key that was published, too", "other-key", |scratch| {
            let bytes = foreign_list(scratch);
            scratch.write("SHA256SUMS", &bytes);
            scratch.write("SHA256SUMS.gpg", &sign_by("thief", &bytes));
            scratch.write("import-pubring.gpg", b"owner thief");
        }),
        ("the signature a link", "not-a-file", |scratch| {
            let path = scratch.0.join("SHA256SUMS.gpg");
            fs::rename(&path, scratch.0.join("elsewhere")).unwrap();
            std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        }),
        (
            "a change that looks half done",
            "signature-invalid",
            |scratch| {
                let bytes = foreign_list(scratch);
                scratch.write(".sysext-build-next-list.tmp", &bytes);
                scratch.write(".sysext-build-committed.tmp", b"");
            },
        ),
    ];
    for (about, expected, tamper) in tampers {
        for (change, make) in CHANGES {
            let scratch = Scratch::new();
            let store = store(&scratch);
            tamper(&scratch);
            let before = scratch.content();
            let error = make(&store, signed()).unwrap_err();
            assert_eq!(kind(&error), expected, "{about}, {change}");
            assert_eq!(scratch.content(), before, "{about}, {change}");
        }
    }
}

/// What does not concern the list stops nobody.
#[test]
fn what_others_left_beside_the_list_stays_outside_of_it() {
    let tampers: [(&str, Tamper); 5] = [
        ("nothing", |_| {}),
        ("the key removed", |scratch| {
            fs::remove_file(scratch.0.join("import-pubring.gpg")).unwrap();
        }),
        ("a mark and nothing to complete", |scratch| {
            scratch.write(".sysext-build-committed.tmp", b"");
        }),
        ("a list without a mark", |scratch| {
            let bytes = list(&[("z.raw", b"z")]);
            scratch.write(".sysext-build-next-list.tmp", &bytes);
            scratch.write(".sysext-build-next-signature.tmp", &sign(&bytes).unwrap());
        }),
        ("an image", |scratch| scratch.write("z.raw", b"z")),
    ];
    for (about, tamper) in tampers {
        for (change, make) in CHANGES {
            let scratch = Scratch::new();
            let store = store(&scratch);
            let before: Vec<_> = store.entries().unwrap();
            tamper(&scratch);
            make(&store, signed()).unwrap();
            let bytes = read(&scratch, "SHA256SUMS");
            let signature = read(&scratch, "SHA256SUMS.gpg");
            assert_eq!(signature, sign(&bytes).unwrap(), "{about}, {change}");
            for entry in store.entries().unwrap() {
                let is_own = before.contains(&entry)
                    || entry.name.starts_with("a-3.")
                    || Serial::parse(&entry.name).is_some();
                assert!(is_own, "{about}, {change}: {}", entry.name);
            }
        }
    }
}

/// The hash of an image that was changed on the disk stays the one that was listed.
#[test]
fn nothing_is_hashed_again() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    let entries = || {
        let mut entries = store.entries().unwrap();
        entries.retain(|entry| Serial::parse(&entry.name).is_none());
        entries
    };
    let before = entries();
    scratch.write("a-1.raw", b"evil");
    scratch.write("a-2.raw", b"evil");
    store.add(publication(&store, "3"), signed()).unwrap();
    assert_eq!(entries()[..before.len()], before);
}

#[test]
fn without_a_key_protection_never_goes_down() {
    for name in ["SHA256SUMS.gpg", "import-pubring.gpg"] {
        for (change, make) in CHANGES {
            let scratch = Scratch::new();
            let store = store(&scratch);
            fs::remove_file(scratch.0.join(name)).unwrap();
            assert!(store.needs_signer().unwrap());
            let before = scratch.content();
            match make(&store, Listing::default()) {
                // It would change nothing.
                Ok(()) => assert!(["add what is there", "repair"].contains(&change)),
                Err(Error::Unsigned { .. }) => {}
                Err(error) => panic!("{name}, {change}: {error}"),
            }
            assert_eq!(scratch.content(), before, "{name}, {change}");
        }
    }
}

/// Another key signs only if that was said, and only what the key before it signed.
#[test]
fn another_key() {
    let by = |key: &str, new_key| {
        let name = key.to_owned();
        Listing {
            signing: Some(Signing {
                sign: Box::new(move |list: &[u8]| Ok(sign_by(&name, list))),
                key: key.to_owned(),
                new_key,
                ..signing()
            }),
            ..Listing::default()
        }
    };
    for (change, make) in CHANGES {
        let scratch = Scratch::new();
        let store = store(&scratch);
        scratch.write("import-pubring.gpg", b"owner next");
        let before = scratch.content();
        let error = make(&store, by("next", false)).unwrap_err();
        assert!(
            matches!(&error, Error::OtherKey { former, key, .. } if former == KEY && key == "next"),
            "{change}: {error}"
        );
        assert_eq!(scratch.content(), before, "{change}");
        make(&store, by("next", true)).unwrap();
        // From then on it is the key.
        let is_changed = scratch.content() != before;
        assert_eq!(is_changed, ["add", "prune"].contains(&change), "{change}");
        let former = make(&store, signed()).map_err(|error| kind(&error));
        assert_eq!(former.is_err(), is_changed, "{change}: {former:?}");

        scratch.write("SHA256SUMS.gpg", b"garbage");
        let error = make(&store, by("next", true)).unwrap_err();
        assert_eq!(kind(&error), "signature-invalid", "{change}");
    }
    let scratch = Scratch::new();
    let store = store(&scratch);
    let error = store.sign(by("next", false)).unwrap_err();
    assert_eq!(kind(&error), "other-key");
    let basis = store.sign(by("next", true)).unwrap();
    assert_eq!(basis, Basis::OtherKey(KEY.to_owned()));
    // A signature that says nothing: whom clients trust is asked instead.
    scratch.write("SHA256SUMS.gpg", b"garbage");
    let error = store.sign(by("next", false)).unwrap_err();
    assert!(matches!(&error, Error::OtherKey { former, .. } if former == KEY));
    // Another key takes over what the key before it signed, and nothing else unless that is said.
    let error = store.sign(by("next", true)).unwrap_err();
    assert_eq!(kind(&error), "signature-invalid");
    let mut listing = by("next", true);
    listing.signing.as_mut().unwrap().restored = true;
    let basis = store.sign(listing).unwrap();
    assert!(matches!(basis, Basis::Unverified(_)), "{basis:?}");
}

#[test]
fn only_a_signature_that_is_asked_for_blesses_a_list() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    assert_eq!(store.sign(signed()).unwrap(), Basis::Own);
    let bytes = foreign_list(&scratch);
    scratch.write("SHA256SUMS", &bytes);
    let basis = store.sign(signed()).unwrap();
    assert_eq!(basis, Basis::Unverified("does not fit".to_owned()));
    let signed_list = read(&scratch, "SHA256SUMS");
    assert_eq!(without_number(&signed_list), without_number(&bytes));
    CHANGES[0].1(&store, signed()).unwrap();
    // An empty list, too, if that was signed before.
    fs::remove_file(scratch.0.join("SHA256SUMS")).unwrap();
    assert!(CHANGES[0].1(&store, signed()).is_err());
    // Not a list that is gone, while there are images that it had.
    let error = store.sign(signed()).unwrap_err();
    assert!(matches!(error, Error::NoList { .. }), "{error}");
    for name in scratch
        .content()
        .keys()
        .filter(|name| name.ends_with(".raw"))
    {
        fs::remove_file(scratch.0.join(name)).unwrap();
    }
    let basis = store.sign(signed()).unwrap();
    assert!(matches!(basis, Basis::Unverified(_)), "{basis:?}");
    assert_eq!(without_number(&read(&scratch, "SHA256SUMS")), b"");
    CHANGES[0].1(&store, signed()).unwrap();
}

/// The first signature needs nothing, but a directory with a published key was signed before.
#[test]
fn the_first_signature() {
    let scratch = Scratch::new();
    let store = scratch.store();
    scratch.write("import-pubring.gpg", b"owner");
    let error = CHANGES[0].1(&store, signed()).unwrap_err();
    assert_eq!(kind(&error), "signature-missing");
    store.sign(signed()).unwrap();
    CHANGES[0].1(&store, signed()).unwrap();
    let scratch = Scratch::new();
    let store = scratch.store();
    CHANGES[0].1(&store, Listing::default()).unwrap();
    assert_eq!(store.sign(signed()).unwrap(), Basis::Unsigned);
}

/// A list that becomes empty is signed as such; that is what the next one starts from.
#[test]
fn an_empty_list_is_signed_too() {
    let scratch = Scratch::new();
    let store = scratch.store();
    CHANGES[0].1(&store, signed()).unwrap();
    for name in ["a-3.raw", "a-3.manifest.gz"] {
        fs::remove_file(scratch.0.join(name)).unwrap();
    }
    let findings = verify(&store, 0).findings;
    store.repair(&findings, signed()).unwrap();
    assert_eq!(
        scratch.content().into_keys().collect::<Vec<_>>(),
        ["SHA256SUMS", "SHA256SUMS.gpg"]
    );
    let bytes = read(&scratch, "SHA256SUMS");
    assert_eq!(without_number(&bytes), b"");
    assert_eq!(read(&scratch, "SHA256SUMS.gpg"), sign(&bytes).unwrap());
    assert_eq!(verify(&store, 0).findings, []);
    CHANGES[0].1(&store, signed()).unwrap();
    // Before lists had numbers an empty one was no file, and an empty file where a process was
    // killed between the renames.
    fs::remove_file(scratch.0.join("SHA256SUMS")).unwrap();
    scratch.write("SHA256SUMS.gpg", &sign(b"").unwrap());
    scratch.write("SHA256SUMS", b"");
    scratch.write(".sysext-build-committed.tmp", b"");
    CHANGES[0].1(&store, signed()).unwrap();
    assert_eq!(scratch.content().len(), 4);
}

fn verify(store: &Store, now: u64) -> Verdict {
    store
        .verify(&Examination {
            workers: 1,
            check_signature: Some(&|list, signature| {
                (signature == sign(list).unwrap())
                    .then_some(())
                    .ok_or_else(|| "does not fit".to_owned())
            }),
            now,
            look_inside: None,
            progress: &|_, _| {},
        })
        .unwrap()
}

#[test]
fn a_day_that_is_over() {
    // 2027-01-31 begins.
    const DAY: u64 = 1_801_353_600;
    let scratch = Scratch::new();
    let store = scratch.store();
    let until = |day: &str, now| Listing {
        best_before: Some(day.parse().unwrap()),
        now,
        ..signed()
    };
    let add = |listing| CHANGES[0].1(&store, listing);
    let error = add(until("2027-01-30", DAY)).unwrap_err();
    assert!(
        matches!(error, Error::Freshness(DayProblem::Over(_))),
        "{error}"
    );
    assert_eq!(scratch.content().len(), 0);
    add(until("2027-01-31", DAY)).unwrap();
    for (days, expected) in [
        (-7, None),
        (-6, Some("best-before-near")),
        (0, Some("best-before-near")),
        (1, Some("best-before-over")),
    ] {
        let now = DAY.saturating_add_signed(days * 86_400);
        let found: Vec<_> = (verify(&store, now).findings.iter())
            .map(|finding| finding.kind.id)
            .filter(|id| id.starts_with("best-before"))
            .collect();
        assert_eq!(found, Vec::from_iter(expected), "{days}");
    }
}

#[test]
fn a_signature_that_is_gone_is_an_error() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    fs::remove_file(scratch.0.join("SHA256SUMS.gpg")).unwrap();
    let ids: Vec<_> = (verify(&store, 0).findings.iter())
        .map(|finding| finding.kind.id)
        .collect();
    assert!(ids.contains(&"signature-missing"), "{ids:?}");
    assert!(!ids.contains(&"unsigned"), "{ids:?}");
}

#[test]
fn what_was_checked_is_extended_and_nothing_that_came_since() {
    for (what, change) in CHANGES {
        let scratch = Scratch::new();
        let store = store(&scratch);
        // Somebody without the key is as quick as can be.
        let signing = Signing {
            examine: Box::new(|former| {
                let found = examine(former);
                let evil = foreign_list(&scratch);
                scratch.write("SHA256SUMS", &evil);
                found
            }),
            ..signing()
        };
        let listing = Listing {
            signing: Some(signing),
            ..Listing::default()
        };
        // A change that only looks at what is there may fail for what has become of it.
        let _ = change(&store, listing);
        let (signed, list) = (
            read(&scratch, "SHA256SUMS.gpg"),
            read(&scratch, "SHA256SUMS"),
        );
        let evil = foreign_list(&scratch);
        assert_ne!(signed, sign(&evil).unwrap(), "{what}");
        let hash_of_evil = super::workshop::hex(b"evil");
        let is_listed = String::from_utf8(list).unwrap().contains(&hash_of_evil);
        let is_signed = signed == sign(&read(&scratch, "SHA256SUMS")).unwrap();
        assert!(!(is_listed && is_signed), "{what}");
    }
}

/// The owner, who remembers the last list that was signed.
struct Owner(RefCell<Option<Issued>>);

impl Owner {
    fn remembering(store: &Store) -> Owner {
        Owner(RefCell::new(store.issued().unwrap()))
    }

    fn signed(&self, restored: bool) -> Listing<'_> {
        let signing = Signing {
            last: Box::new(|_| self.0.borrow().clone()),
            issued: Box::new(|issued| {
                self.0.replace(Some(issued.clone()));
            }),
            restored,
            ..signing()
        };
        Listing {
            signing: Some(signing),
            ..Listing::default()
        }
    }

    fn number(&self) -> u64 {
        self.0.borrow().as_ref().unwrap().serial.number
    }
}

/// An older list, or another store's, has its own good signature.
#[test]
fn a_list_never_goes_back() {
    let goods = ["SHA256SUMS", "SHA256SUMS.gpg"];
    type Put<'a> = &'a dyn Fn(&Scratch, &[Vec<u8>; 2], &Scratch);
    let puts: [(&str, Put<'_>); 4] = [
        ("older", &|scratch, older, _| {
            for (name, bytes) in goods.iter().zip(older) {
                scratch.write(name, bytes);
            }
        }),
        ("other store", &|scratch, _, other| {
            for name in goods {
                scratch.write(name, &read(other, name));
            }
        }),
        ("forked", &|scratch, _, _| {
            let lines = String::from_utf8(read(scratch, "SHA256SUMS")).unwrap();
            let kept: Vec<_> = (lines.split_inclusive('\n'))
                .filter(|line| !line.contains("a-2."))
                .collect();
            let bytes = kept.concat().into_bytes();
            scratch.write("SHA256SUMS", &bytes);
            scratch.write("SHA256SUMS.gpg", &sign(&bytes).unwrap());
        }),
        ("no number", &|scratch, _, _| {
            let bytes = without_number(&read(scratch, "SHA256SUMS"));
            scratch.write("SHA256SUMS", &bytes);
            scratch.write("SHA256SUMS.gpg", &sign(&bytes).unwrap());
        }),
    ];
    for (about, put) in puts {
        for (change, make) in CHANGES {
            let scratch = Scratch::new();
            let store = store(&scratch);
            let older = goods.map(|name| read(&scratch, name));
            let owner = Owner::remembering(&store);
            store.sign(owner.signed(false)).unwrap();
            let number = owner.number();
            let other = Scratch::new();
            CHANGES[0].1(&other.store(), signed()).unwrap();
            put(&scratch, &older, &other);
            let before = scratch.content();
            // Nor does a signature that is asked for make it good, unless that was said.
            for made in [
                make(&store, owner.signed(false)),
                store.sign(owner.signed(false)).map(drop),
            ] {
                let Err(Error::Setback { problem, .. }) = made else {
                    panic!("{about}, {change}: {made:?}");
                };
                let found = match problem {
                    Setback::Older { found, last } => {
                        assert_eq!((found, last), (number - 1, number));
                        "older"
                    }
                    Setback::OtherStore { .. } => "other store",
                    Setback::Forked { .. } => "forked",
                    Setback::NoNumber { .. } => "no number",
                };
                assert_eq!(found, about, "{change}");
                assert_eq!(scratch.content(), before, "{about}, {change}");
                assert_eq!(owner.number(), number);
            }
            // Put back on purpose, it goes on above the last number.
            let remembered = owner.0.borrow().clone().unwrap();
            store.sign(owner.signed(true)).unwrap();
            assert_eq!(owner.number(), number + 1);
            assert_eq!(store.issued().unwrap(), *owner.0.borrow());
            let serial = store.issued().unwrap().unwrap().serial;
            assert_eq!(serial.store, remembered.serial.store, "{about}");
            store.sign(owner.signed(false)).unwrap();
        }
    }
}

/// A line that can't be read is named, and not that the number, which is behind it, was not found.
#[test]
fn a_list_that_can_not_be_read_is_refused_for_that() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    let owner = Owner::remembering(&store);
    store.sign(owner.signed(false)).unwrap();
    let lines = [b"# mine\n".to_vec(), read(&scratch, "SHA256SUMS")].concat();
    scratch.write("SHA256SUMS", &lines);
    let error = store.sign(owner.signed(false)).unwrap_err().to_string();
    assert!(error.contains("line 1: comments are not part"), "{error}");
    // Without the line it is the last list again.
    scratch.write("SHA256SUMS", &lines["# mine\n".len()..]);
    store.sign(owner.signed(false)).unwrap();
}

/// The number grows with each list that is signed, and with nothing else.
#[test]
fn numbers() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    let owner = Owner::remembering(&store);
    assert_eq!(owner.number(), 2);
    for (at, expected) in [3, 3, 4, 4].into_iter().enumerate() {
        CHANGES[at].1(&store, owner.signed(false)).unwrap();
        assert_eq!(owner.number(), expected, "{}", CHANGES[at].0);
        assert_eq!(store.issued().unwrap(), *owner.0.borrow());
    }
    // Another machine signed meanwhile.
    store.sign(signed()).unwrap();
    store.sign(owner.signed(false)).unwrap();
    assert_eq!(owner.number(), 6);
    // The owner vouches for lines that somebody wrote under the last number.
    scratch.write(
        "SHA256SUMS",
        &[read(&scratch, "SHA256SUMS"), list(&[("z", b"")])].concat(),
    );
    assert!(CHANGES[0].1(&store, owner.signed(false)).is_err());
    store.sign(owner.signed(false)).unwrap();
    assert_eq!(owner.number(), 7);
    // A file that is replaced is taken off the list first: two lists.
    let mut replacement = publication(&store, "3");
    replacement.image = filled(store.temporary().unwrap(), "a-3.raw".to_owned(), b"new");
    replacement.replace = true;
    store.add(replacement, owner.signed(false)).unwrap();
    assert_eq!(owner.number(), 9);
    assert_eq!(store.issued().unwrap(), *owner.0.borrow());
}

/// Where all is gone, another store begins, with a word.
#[test]
fn a_store_that_is_gone() {
    let scratch = Scratch::new();
    let owner = Owner::remembering(&store(&scratch));
    let last = owner.0.borrow().clone().unwrap().serial;
    for name in scratch.content().keys() {
        fs::remove_file(scratch.0.join(name)).unwrap();
    }
    let store = scratch.store();
    let basis = |owner: &Owner| {
        let listing = owner.signed(false);
        store.basis(&listing.signing.unwrap())
    };
    assert_eq!(basis(&owner).unwrap(), Basis::Gone(last.clone()));
    // Not where images are left, or a published key.
    for name in ["z-1.raw", "import-pubring.gpg"] {
        scratch.write(name, b"owner");
        assert!(basis(&owner).is_err(), "{name}");
        fs::remove_file(scratch.0.join(name)).unwrap();
    }
    CHANGES[0].1(&store, owner.signed(false)).unwrap();
    assert_eq!(owner.number(), 1);
    assert_ne!(store.issued().unwrap().unwrap().serial.store, last.store);
}

/// A list with a number was signed, whatever else was taken away.
#[test]
fn a_number_shows_that_a_list_was_signed() {
    for (change, make) in CHANGES {
        let scratch = Scratch::new();
        let store = store(&scratch);
        for name in ["SHA256SUMS.gpg", "import-pubring.gpg"] {
            fs::remove_file(scratch.0.join(name)).unwrap();
        }
        assert!(store.needs_signer().unwrap());
        let ids: Vec<_> = (verify(&store, 0).findings.iter())
            .map(|finding| finding.kind.id)
            .collect();
        assert!(ids.contains(&"signature-missing"), "{ids:?}");
        let before = scratch.content();
        match make(&store, Listing::default()) {
            Ok(()) => assert!(["add what is there", "repair"].contains(&change)),
            Err(Error::Unsigned { .. }) => {}
            Err(error) => panic!("{change}: {error}"),
        }
        assert_eq!(scratch.content(), before, "{change}");
        let error = make(&store, signed()).unwrap_err();
        assert_eq!(kind(&error), "signature-missing", "{change}");
    }
}

/// A manifest that is not the listed one says nothing: whoever wrote it could have any image
/// pruned, or a new one refused.
#[test]
fn only_listed_manifests_count() {
    let scratch = Scratch::new();
    let store = store(&scratch);
    scratch.write("a-2.manifest.gz", &manifest("0"));
    let error = CHANGES[0].1(&store, signed()).unwrap_err();
    assert!(matches!(error, Error::Manifest { .. }), "{error}");
    CHANGES[2].1(&store, signed()).unwrap();
    let names: Vec<_> = (store.entries().unwrap().into_iter())
        .map(|entry| entry.name)
        .filter(|name| name.ends_with(".raw"))
        .collect();
    assert_eq!(names, ["a-1.raw", "a-2.raw"]);
}
