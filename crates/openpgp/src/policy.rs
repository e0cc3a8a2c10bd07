//! Which algorithms and sizes count, and how keys and times are spelled.

use rsa::traits::PublicKeyParts as _;

use crate::algorithm::Algorithm;
use crate::hash::Hash;
use crate::key::Key;
use crate::numbers::PublicNumbers;
use crate::signature::Signature;

/// Fewest bits of an RSA modulus or a DSA prime.
const MIN_BITS: u32 = 2048;
/// Reasons of revocations after which a key is good for what it signed before: it was superseded, it
/// is retired, or a user id of it does not hold any more.
const SOFT_REASONS: [u8; 3] = [1, 3, 32];

/// Says whether data may be signed with this hash.
pub(crate) fn hash_may_sign_data(hash: Hash) -> bool {
    matches!(
        hash,
        Hash::Sha224 | Hash::Sha256 | Hash::Sha384 | Hash::Sha512 | Hash::Sha3_256 | Hash::Sha3_512
    )
}

/// Says whether a key may bind itself and its subkeys with this hash.
pub(crate) fn hash_may_bind(hash: Hash) -> bool {
    hash_may_sign_data(hash) || hash == Hash::Sha1
}

/// Checks that a key is of a kind and size that counts.
///
/// # Errors
///
/// The reason why it is not.
pub(crate) fn check_strength(key: &Key) -> Result<(), String> {
    let bits = match (&key.numbers, key.algorithm) {
        (_, Algorithm::Ecdsa | Algorithm::EdDsaLegacy) => return Ok(()),
        (PublicNumbers::Unusable, _) | (_, Algorithm::RsaEncrypt) => {
            return Err(format!("{} is not accepted for signatures", key.algorithm));
        }
        (PublicNumbers::Rsa(numbers), _) => numbers.n().bit_width(),
        (PublicNumbers::Dsa(numbers), _) => numbers.components().p().bit_width(),
        _ => return Ok(()),
    };
    if bits < MIN_BITS {
        return Err(format!(
            "{} of {bits} bits is too short, {MIN_BITS} are needed",
            key.algorithm
        ));
    }
    Ok(())
}

/// Says whether a revocation undoes all that the key ever signed. What was merely superseded or
/// retired stays good for the time before.
pub(crate) fn is_hard(revocation: &Signature) -> bool {
    revocation
        .revocation_reason()
        .is_none_or(|reason| !SOFT_REASONS.contains(&reason))
}

/// Returns a day as `YYYY-MM-DD`, of seconds since 1970 in UTC.
pub fn date(seconds: u64) -> String {
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
}
