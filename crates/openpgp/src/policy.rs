//! Which algorithms and sizes count, and how keys and times are spelled.

use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{RevocationCode, Signature};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, KeyVersion};

/// Fewest bits of an RSA modulus or a DSA prime.
const MIN_BITS: usize = 2048;
/// Where the numbers of a public key begin in a packet of version 4: version, time, algorithm.
const NUMBERS_V4: usize = 6;
/// The same in version 6, which has their length before them.
const NUMBERS_V6: usize = 10;

/// Says whether data may be signed with this hash.
pub(crate) fn hash_may_sign_data(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// Says whether a key may bind itself and its subkeys with this hash.
pub(crate) fn hash_may_bind(hash: HashAlgorithm) -> bool {
    hash_may_sign_data(hash) || hash == HashAlgorithm::Sha1
}

/// Checks that a key is of a kind and size that counts.
///
/// # Errors
///
/// The reason why it is not.
pub(crate) fn check_strength(key: &(impl KeyDetails + Serialize)) -> Result<(), String> {
    let numbers = match key.version() {
        KeyVersion::V4 => NUMBERS_V4,
        KeyVersion::V6 => NUMBERS_V6,
        other => {
            return Err(format!(
                "version {} of OpenPGP keys is too old",
                u8::from(other)
            ));
        }
    };
    match key.algorithm() {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign | PublicKeyAlgorithm::DSA => {
            let bytes = key.to_bytes().map_err(|error| error.to_string())?;
            let bits = first_number_bits(bytes.get(numbers..).unwrap_or_default());
            if bits < MIN_BITS {
                return Err(format!(
                    "{:?} of {bits} bits is too short, {MIN_BITS} are needed",
                    key.algorithm()
                ));
            }
            Ok(())
        }
        PublicKeyAlgorithm::ECDSA
        | PublicKeyAlgorithm::EdDSALegacy
        | PublicKeyAlgorithm::Ed25519
        | PublicKeyAlgorithm::Ed448 => Ok(()),
        other => Err(format!("{other:?} is no algorithm for signatures here")),
    }
}

/// Returns the number of bits of the number that comes first: its length in bits, then its bytes.
fn first_number_bits(bytes: &[u8]) -> usize {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return 0;
    };
    let length = usize::from(u16::from_be_bytes(*length)).div_ceil(8);
    let number = rest.get(..length).unwrap_or_default();
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros) {
        Some(top) => (number.len() - zeros) * 8 - top.leading_zeros() as usize,
        None => 0,
    }
}

/// Says whether a revocation undoes all that the key ever signed. What was merely superseded or
/// retired stays good for the time before.
pub(crate) fn is_hard(revocation: &Signature) -> bool {
    !matches!(
        revocation.revocation_reason_code(),
        Some(
            RevocationCode::KeySuperseded
                | RevocationCode::KeyRetired
                | RevocationCode::CertUserIdInvalid
        )
    )
}

/// Returns the fingerprint as gpg prints it.
pub(crate) fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

/// Returns a day as `YYYY-MM-DD`, of seconds since 1970 in UTC.
pub(crate) fn date(seconds: u64) -> String {
    // Days are counted from 1 March of year 0, so that a leap day comes last in its year; 400
    // years of the Gregorian calendar are 146 097 days.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + carry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_700_000_000, "2023-11-14"),
            (4_107_542_400, "2100-03-01"),
            (u64::from(u32::MAX) * 2, "2242-03-16"),
        ] {
            assert_eq!(date(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn bits_of_numbers() {
        for (bytes, bits) in [
            (&[][..], 0),
            (&[0, 9, 1, 0xff], 9),
            (&[0, 16, 0, 0xff], 8),
            (&[0, 16, 0, 0], 0),
            (&[0, 16, 1], 0),
            (&[8, 0], 0),
        ] {
            assert_eq!(first_number_bits(bytes), bits, "{bytes:?}");
        }
    }
}
