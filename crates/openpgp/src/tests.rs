//! Without gpg: the fixed key of the fixtures, and bytes that are no OpenPGP.

use crate::armor;
use crate::fields::Fields;
use crate::hash::Hash;
use crate::packet;
use crate::{Error, Keyring, SigningKey};

const SECRET: &[u8] = include_bytes!("../../../fixtures/keys/test.secret.asc");
const PUBLIC: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
/// When the key was made.
const MADE: u64 = 1_700_000_000;

#[test]
fn the_same_bytes_on_every_machine() {
    let key = SigningKey::parse(SECRET, "key", None, MADE).unwrap();
    assert_eq!(key.fingerprint(), FINGERPRINT);
    let signature = key.sign(b"data\n", MADE + 1).unwrap();
    let digits = hex::encode(&signature);
    // If this is intentional, update the pinned value.
    let pinned = "c2750400160a001d05826553f101162104041d5f411db434bc5d0e51e16879d6eab0eef13e000a09106879d6eab0eef13e521e01009f8c6f66b34d28e0a66df7fc3b0ec75b7e57ae1684597ef0fa42b431f7245e710100ef53dfcdb3b449c3d6aa53008dbaa858ae23d54ff1c22ae77fcfa7ad27b6f101";
    assert_eq!(digits, pinned);
    let keyring = Keyring::parse(PUBLIC, "keyring").unwrap();
    assert_eq!(keyring.to_binary(), key.public().to_binary());
    let verified = keyring
        .verify_detached(b"data\n", &signature, "", 0)
        .unwrap();
    assert_eq!(verified.fingerprint, FINGERPRINT);
    assert_eq!(verified.created, MADE + 1);
    let error = key.sign(b"", u64::from(u32::MAX) + 1).unwrap_err();
    assert!(error.to_string().contains("2106"), "{error}");
}

/// Every single bit of a signature counts, or is not covered by it and changes nothing.
#[test]
fn every_bit_of_a_signature() {
    let key = SigningKey::parse(SECRET, "key", None, MADE).unwrap();
    let keyring = key.public();
    let signature = key.sign(b"data\n", MADE).unwrap();
    let mut good = 0;
    for bit in 0..signature.len() * 8 {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(verified) = keyring.verify_detached(b"data\n", &changed, "", 0) {
            assert_eq!(
                (verified.created, verified.fingerprint.as_str()),
                (MADE, FINGERPRINT)
            );
            good += 1;
        }
    }
    // The key's id in the unhashed area: type and criticality, and 8 bytes that the fingerprint
    // in the hashed area overrules.
    assert!((64..=80).contains(&good), "{good}");
    for length in 0..signature.len() {
        assert!(
            keyring
                .verify_detached(b"data\n", &signature[..length], "", 0)
                .is_err()
        );
    }
}

#[test]
fn bytes_that_are_no_keyring() {
    let unended = &PUBLIC[..PUBLIC.len() - 40];
    for (bytes, expected) in [
        (&b""[..], "k: it is empty"),
        (
            b"hello\n",
            "k: it is neither binary OpenPGP nor armor with \"-----BEGIN PGP PUBLIC KEY BLOCK\"",
        ),
        (unended, "k: its armor has no end"),
        (
            &[0x99, 0xff, 0xff, 4],
            "k: the packet at offset 0 is cut off",
        ),
        (&[0x9b], "k: no packet at offset 0"),
        (
            &[0xb4, 0],
            "k holds no public key that can be used: it has none",
        ),
    ] {
        assert_eq!(
            Keyring::parse(bytes, "k").unwrap_err().to_string(),
            expected
        );
    }
}

#[test]
fn an_unreadable_key_costs_no_other() {
    let public = armor::decode(PUBLIC, &["PUBLIC KEY BLOCK"]).unwrap();
    // A key of version 4 and algorithm 99, with a user id.
    let unknown = [0x98, 7, 4, 0, 0, 0, 0, 99, 1, 0xb4, 1, b'a'];
    for bytes in [
        [&unknown[..], &public].concat(),
        [&public[..], &unknown].concat(),
    ] {
        let keyring = Keyring::parse(&bytes, "k").unwrap();
        assert!(
            keyring
                .keys()
                .iter()
                .any(|key| key.fingerprint == FINGERPRINT)
        );
    }
}

/// A key of version 6, which no gpg reads: its signatures are checked, it signs nothing.
#[test]
fn keys_of_version_6() {
    let secret = include_bytes!("../../../fixtures/keys/version6.secret.asc");
    let error = SigningKey::parse(secret, "six.key", None, MADE).unwrap_err();
    assert!(
        error.to_string().contains("make a key of version 4"),
        "{error}"
    );

    let public = include_bytes!("../../../fixtures/keys/version6.public.asc");
    let signature = include_bytes!("../../../fixtures/keys/version6.signature.asc");
    let keyring = Keyring::parse(public, "six").unwrap();
    let verified = keyring
        .verify_detached(b"data", signature, "", MADE)
        .unwrap();
    assert_eq!(verified.fingerprint.len(), 64);
    assert!(
        keyring
            .verify_detached(b"Data", signature, "", MADE)
            .is_err()
    );
}

/// A key that speaks for itself until a day is good until that day.
#[test]
fn a_self_signature_that_expires() {
    const DAY: u64 = 86_400;
    // The fixed key, with a certification of a day later that is good for two days.
    let bytes = include_bytes!("../../../fixtures/keys/ends.gpg");
    let keyring = Keyring::parse(bytes, "ends").unwrap();
    let at = MADE + 3 * DAY;
    assert_eq!(keyring.keys()[0].expires, Some(at));

    let signer = SigningKey::parse(SECRET, "key", None, MADE).unwrap();
    let verify = |time| {
        let signature = signer.sign(b"", time).unwrap();
        keyring
            .verify_detached(b"", &signature, "", 0)
            .map(|verified| verified.created)
    };
    assert_eq!(verify(at - 1), Ok(at - 1));
    let key = FINGERPRINT.to_owned();
    assert_eq!(
        verify(at),
        Err(Error::KeyExpired {
            key,
            at,
            signed: at
        })
    );
}

/// Two documents of one SHA-1, published in 2020 ("SHA-1 is a Shambles"): neither has a digest here.
#[test]
fn a_collision_of_sha1() {
    let document = include_bytes!("../../../fixtures/keys/sha-mbles-1.bin");
    assert_eq!(Hash::Sha1.digest([&document[..]]), None);
    assert_eq!(
        Hash::Sha1
            .digest([&document[..300]])
            .map(|digest| digest.len()),
        Some(20)
    );
}

/// What is written is read as the same packet, in both forms and about each limit.
#[test]
fn packets_that_are_written() {
    for length in [0, 191, 192, 255, 256, 8383, 8384, 65_535, 65_536] {
        for is_old in [false, true] {
            let mut bytes = Vec::new();
            packet::write(6, is_old, &vec![1; length], &mut bytes).unwrap();
            let packets = packet::split(&bytes).unwrap();
            let [read] = packets[..] else {
                panic!("{} packets of {length}", packets.len());
            };
            let found = (read.tag, read.is_old(), read.body.len());
            assert_eq!(found, (6, is_old, length));
        }
    }
}

#[test]
fn packet_headers() {
    let body = |length: usize| vec![0; length];
    for (header, length, is_whole) in [
        (&[0x88, 3][..], 3, true),
        (&[0x89, 1, 0], 256, true),
        (&[0x8a, 0, 0, 0, 1], 1, true),
        (&[0x8b], 1, false),
        (&[0xc2, 191], 191, true),
        (&[0xc2, 192, 0], 192, true),
        (&[0xc2, 223, 255], 8383, true),
        (&[0xc2, 224], 1, false),
        (&[0xc2, 255, 0, 0, 1, 0], 256, true),
        (&[0xc2, 255, 255, 255, 255, 255], 256, false),
        (&[0x42, 1], 1, false),
    ] {
        let bytes = [header, &body(length)].concat();
        let tags = packet::split(&bytes)
            .map(|packets| packets.iter().map(|packet| packet.tag).collect::<Vec<_>>());
        assert_eq!(tags.ok(), is_whole.then(|| vec![2]), "{header:?}");
        assert!(
            packet::split(&bytes[..bytes.len() - 1]).is_err(),
            "{header:?}"
        );
    }
}

#[test]
fn a_signature_that_names_nobody() {
    let keyring = Keyring::parse(PUBLIC, "keyring").unwrap();
    // Version 4 over bytes by EdDSA with SHA-512; a time in the hashed area, nothing in the other;
    // two bytes of the hash and two numbers of a byte each.
    let area = [0, 6, 5, 2, 0x65, 0x53, 0xf1, 0, 0, 0];
    let signature = [
        &[0x88, 22, 4, 0, 22, 10][..],
        &area,
        &[0, 0, 0, 8, 128, 0, 8, 128],
    ]
    .concat();
    let error = keyring
        .verify_detached(b"", &signature, "s", 0)
        .unwrap_err();
    assert_eq!(error, Error::Anonymous);
}

/// Files up to a length, packets and numbers up to a number: what is refused at the limit is refused
/// for what it is.
#[test]
fn what_a_file_may_hold() {
    let key = SigningKey::parse(SECRET, "k", None, MADE).unwrap();
    let signature = key.sign(b"data", MADE).unwrap();
    let keyring = key.public();
    let read_keys = |bytes: &[u8]| Keyring::parse(bytes, "k").map(drop);
    let check = |bytes: &[u8]| keyring.verify_detached(b"data", bytes, "k", MADE).map(drop);
    let read_secret = |bytes: &[u8]| SigningKey::parse(bytes, "k", None, MADE).map(drop);
    let nothing = |length| vec![0; length];
    let packets = |count| [0xb4, 0].repeat(count);
    let signatures = |count| signature.repeat(count);
    for (read, bytes, expected) in [
        (
            &read_keys as &dyn Fn(&[u8]) -> Result<(), Error>,
            nothing(4_194_304),
            "k: it is neither binary OpenPGP nor armor with \"-----BEGIN PGP PUBLIC KEY BLOCK\"",
        ),
        (
            &read_keys,
            nothing(4_194_305),
            "k: 4194305 bytes, but at most 4194304 are allowed",
        ),
        (
            &check,
            nothing(1_048_576),
            "k: it is neither binary OpenPGP nor armor with \"-----BEGIN PGP SIGNATURE\"",
        ),
        (
            &check,
            nothing(1_048_577),
            "k: 1048577 bytes, but at most 1048576 are allowed",
        ),
        (
            &read_secret,
            nothing(1_048_576),
            "k: it is neither binary OpenPGP nor armor with \"-----BEGIN PGP PRIVATE KEY BLOCK\"",
        ),
        (
            &read_secret,
            nothing(1_048_577),
            "k: 1048577 bytes, but at most 1048576 are allowed",
        ),
        (
            &read_keys,
            packets(100_000),
            "k holds no public key that can be used: it has none",
        ),
        (&read_keys, packets(100_001), "k: more than 100000 packets"),
        (&check, signatures(32), "fine"),
        (&check, signatures(33), "k: 33 packets, 32 are allowed"),
    ] {
        let said = read(&bytes).err().map(|error| error.to_string());
        assert_eq!(said.as_deref().unwrap_or("fine"), expected);
    }
    for (bits, expected) in [(16_384_u16, Some(2048)), (16_385, None)] {
        let number = [&bits.to_be_bytes()[..], &[1; 2049]].concat();
        let read = Fields::new(&number).number();
        assert_eq!(read.map(<[u8]>::len), expected, "{bits}");
    }
}
