//! File capabilities, as setcap(8) is given them, and as the kernel has them.

/// Names of capabilities, in the order of their numbers.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Returns the value of `security.capability` for a text such as `cap_net_raw,cap_net_admin=eip`. None
/// where the text is not understood, or says what a file can't have.
pub fn attribute(text: &str) -> Option<Vec<u8>> {
    let (mut permitted, mut inheritable, mut effective) = (0_u64, 0_u64, 0_u64);
    for clause in text.split_whitespace() {
        let at = clause.find(['=', '+', '-'])?;
        let (names, rest) = clause.split_at(at);
        let mut mask = 0;
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let name = name.to_ascii_lowercase();
            if name == "all" {
                mask |= (1 << NAMES.len()) - 1;
                continue;
            }
            let name = name.strip_prefix("cap_")?;
            mask |= 1_u64 << NAMES.iter().position(|known| *known == name)?;
        }
        if names.is_empty() {
            return None;
        }
        let mut operator = ' ';
        for one in rest.chars() {
            let set = match one {
                '=' | '+' | '-' => {
                    operator = one;
                    if one == '=' {
                        for set in [&mut permitted, &mut inheritable, &mut effective] {
                            *set &= !mask;
                        }
                    }
                    continue;
                }
                'p' => &mut permitted,
                'i' => &mut inheritable,
                'e' => &mut effective,
                _ => return None,
            };
            match operator {
                '-' => *set &= !mask,
                _ => *set |= mask,
            }
        }
    }
    // A file has one bit for all of its effective capabilities.
    let any = permitted | inheritable;
    if any == 0 || (effective != 0 && effective != any) {
        return None;
    }
    let magic = 0x0200_0000_u32 | u32::from(effective != 0);
    let mut value = magic.to_le_bytes().to_vec();
    for half in [0, 32] {
        for set in [permitted, inheritable] {
            let part = (set >> half) & u64::from(u32::MAX);
            value.extend(u32::try_from(part).unwrap_or(0).to_le_bytes());
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_that_files_get() {
        for (text, expected) in [
            (
                "cap_net_raw+ep",
                Some("0100000200200000000000000000000000000000"),
            ),
            (
                "cap_net_raw,cap_net_admin=eip",
                Some("0100000200300000003000000000000000000000"),
            ),
            (
                "cap_bpf=p",
                Some("0000000200000000000000008000000000000000"),
            ),
            (
                "CAP_NET_RAW=ep cap_net_raw-e",
                Some("0000000200200000000000000000000000000000"),
            ),
            ("cap_net_raw=", None),
            ("cap_none+ep", None),
            ("=ep", None),
            ("cap_net_raw", None),
            ("cap_chown=p cap_kill=ep", None),
        ] {
            let found = attribute(text).map(|value| {
                value
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
