//! File capabilities: from the text in a header to the bytes of the xattr `security.capability`.
//!
//! The text is what `cap_to_text(3)` writes and `cap_from_text(3)` reads: clauses such as
//! `cap_net_admin,cap_net_raw=ep`, each applied to three sets (effective, permitted,
//! inheritable) in the order in which it stands. The bytes are `struct vfs_cap_data`, revision 2,
//! of `linux/capability.h`:
//!
//! ```text
//! magic and flag   permitted 0-31   inheritable 0-31   permitted 32-63   inheritable 32-63
//! u32 LE           u32 LE           u32 LE             u32 LE            u32 LE
//! ```
//!
//! A file has one flag in place of an effective set, so the effective set must be empty or hold
//! all that the other two hold.

/// The names, each at its number (`linux/capability.h`, Linux 5.9 and later).
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// All capabilities that have a name; `all` and an empty list mean these. The kernel of the
/// machine that runs this is not asked, so that the result is the same everywhere.
const ALL: u64 = (1 << NAMES.len()) - 1;
/// Numbers may go up to here, named or not.
const MAX_NUMBER: u32 = 63;
/// `VFS_CAP_REVISION_2`.
const REVISION_2: u32 = 0x0200_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`.
const EFFECTIVE: u32 = 1;

/// The three sets, a bit for each capability.
#[derive(Default)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// Returns the value of `security.capability` for a text, or what is wrong with the text.
pub(crate) fn vfs_cap_data(text: &str) -> Result<Vec<u8>, String> {
    let mut sets = Sets::default();
    for clause in text.split_ascii_whitespace() {
        sets.apply(clause)?;
    }
    let mut magic = REVISION_2;
    if sets.effective != 0 {
        if (sets.permitted | sets.inheritable) & !sets.effective != 0 {
            return Err(format!(
                "a file can't have only some capabilities effective: {text}"
            ));
        }
        magic |= EFFECTIVE;
    }
    let low = |set: u64| (set & u64::from(u32::MAX)) as u32;
    let high = |set: u64| (set >> 32) as u32;
    let words = [
        magic,
        low(sets.permitted),
        low(sets.inheritable),
        high(sets.permitted),
        high(sets.inheritable),
    ];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

impl Sets {
    /// Applies one clause: a list of capabilities, then operators, each with its flags.
    fn apply(&mut self, clause: &str) -> Result<(), String> {
        let refuse = || format!("can't read capability clause {:?}", clause);
        let start = clause.find(['=', '+', '-']).ok_or_else(refuse)?;
        let (list, mut actions) = clause.split_at(start);
        let capabilities = match list {
            "" => ALL,
            list => parse_list(list)?,
        };
        let mut first = true;
        while !actions.is_empty() {
            let operator = actions.chars().next().ok_or_else(refuse)?;
            let rest = actions.get(1..).ok_or_else(refuse)?;
            let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
            let (flags, next) = rest.split_at(end);
            // Without a list only `=` makes sense, and `=` can only come first.
            let allowed = match operator {
                '=' => first,
                _ => !list.is_empty() && (!flags.is_empty()),
            };
            // `=+` and `=-` reset the list, then raise or lower flags.
            let reset_first = operator == '=' && flags.is_empty() && !next.is_empty();
            if !allowed || (reset_first && list.is_empty()) {
                return Err(refuse());
            }
            for flag in flags.chars() {
                if !matches!(flag, 'e' | 'i' | 'p') {
                    return Err(refuse());
                }
            }
            if operator == '=' {
                self.each("eip", |set| *set &= !capabilities);
            }
            match operator {
                '-' => self.each(flags, |set| *set &= !capabilities),
                _ => self.each(flags, |set| *set |= capabilities),
            }
            actions = next;
            first = false;
        }
        Ok(())
    }

    /// Changes each set that is named by a letter of `flags`.
    fn each(&mut self, flags: &str, change: impl Fn(&mut u64)) {
        for flag in flags.chars() {
            match flag {
                'e' => change(&mut self.effective),
                'i' => change(&mut self.inheritable),
                _ => change(&mut self.permitted),
            }
        }
    }
}

/// Returns the capabilities of a comma separated list.
fn parse_list(list: &str) -> Result<u64, String> {
    list.split(',')
        .try_fold(0, |set, name| Ok(set | parse_name(name)?))
}

/// Returns the bit of a name or number, or the bits of `all`.
fn parse_name(name: &str) -> Result<u64, String> {
    let unknown = || format!("unknown capability {name:?}");
    let lower = name.to_ascii_lowercase();
    if lower == "all" {
        return Ok(ALL);
    }
    if let Some(number) = NAMES.iter().position(|known| *known == lower) {
        return Ok(1 << number);
    }
    // Numbers in the notation of strtoul(3): 0x12, 012 or 12.
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (lower.as_str(), 10),
    };
    if digits.starts_with('+') {
        return Err(unknown());
    }
    match u32::from_str_radix(digits, radix) {
        Ok(number) if number <= MAX_NUMBER => Ok(1 << number),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `setcap` of libcap 2.66 writes for a text, read back with
    /// `getfattr --only-values -n security.capability`.
    const WRITTEN: &[(&str, &str)] = &[
        ("cap_net_raw+ep", "0100000200200000000000000000000000000000"),
        (
            "cap_net_admin,cap_net_raw=ep",
            "0100000200300000000000000000000000000000",
        ),
        (
            "= cap_net_raw+p cap_chown+i",
            "0000000200200000010000000000000000000000",
        ),
        ("all=ep", "01000002ffffffff00000000ff01000000000000"),
        ("=ep", "01000002ffffffff00000000ff01000000000000"),
        ("12=ep", "0100000200100000000000000000000000000000"),
        ("0xc,1=ip", "0000000202100000021000000000000000000000"),
        ("010=p", "0000000200010000000000000000000000000000"),
        ("CAP_NET_RAW=ep", "0100000200200000000000000000000000000000"),
        (
            "cap_net_raw=eip cap_net_raw-i",
            "0100000200200000000000000000000000000000",
        ),
        (
            "cap_net_raw=+ep",
            "0100000200200000000000000000000000000000",
        ),
        ("cap_net_raw+e", "0100000200000000000000000000000000000000"),
        (
            "cap_sys_ptrace=p",
            "0000000200000800000000000000000000000000",
        ),
        (
            "cap_checkpoint_restore,cap_bpf=ep",
            "0100000200000000000000008001000000000000",
        ),
        (
            "cap_net_raw=ep-p",
            "0100000200000000000000000000000000000000",
        ),
        ("all=p all-i", "00000002ffffffff00000000ff01000000000000"),
        ("cap_net_raw=", "0000000200000000000000000000000000000000"),
        ("63=p", "0000000200000000000000000000008000000000"),
        ("41=p", "0000000200000000000000000002000000000000"),
        (
            "all,cap_chown=ep",
            "01000002ffffffff00000000ff01000000000000",
        ),
        (
            "cap_net_raw+ep cap_chown=",
            "0100000200200000000000000000000000000000",
        ),
        ("=p cap_chown-p", "00000002feffffff00000000ff01000000000000"),
        ("cap_chown=-p", "0000000200000000000000000000000000000000"),
        (
            "cap_net_raw+ip cap_net_raw-p+e",
            "0100000200000000002000000000000000000000",
        ),
        (
            " cap_net_raw=ep ",
            "0100000200200000000000000000000000000000",
        ),
        ("=", "0000000200000000000000000000000000000000"),
    ];

    /// What `setcap` of libcap 2.66 refuses.
    const REFUSED: &[&str] = &[
        "cap_net_raw=ep cap_chown=p",
        "cap_net_raw=e cap_chown=p",
        "cap_net_raw",
        "cap_bogus=p",
        "+ep",
        "64=p",
        "cap_net_raw=e=p",
        "cap_net_raw,=p",
        "cap_net_raw=p+",
        "=+p",
        "all",
    ];

    #[test]
    fn bytes_are_those_that_setcap_writes() {
        for (text, expected) in WRITTEN {
            assert_eq!(
                hex::encode(vfs_cap_data(text).unwrap()),
                *expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_setcap_refuses_is_refused() {
        for text in REFUSED {
            assert!(vfs_cap_data(text).is_err(), "{text}");
        }
    }
}
