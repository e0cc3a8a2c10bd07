//! Modes, as chmod(1) is given them.

/// Returns what a mode becomes: by an octal number, or by a list such as `u+s,go-w`. `umask` is that
/// of rpm, 022, as far as a list names nobody.
pub fn changed(text: &str, mode: u16, is_directory: bool) -> Option<u16> {
    if !text.is_empty() && text.chars().all(|one| one.is_digit(8)) {
        let number = u16::from_str_radix(text, 8)
            .ok()
            .filter(|it| *it <= 0o7777)?;
        // A directory keeps set-uid and set-gid, unless the number has five digits.
        let kept = if is_directory && text.len() < 5 {
            mode & 0o6000
        } else {
            0
        };
        return Some(number | kept);
    }
    text.split(',')
        .try_fold(mode, |mode, clause| clause_of(clause, mode, is_directory))
}

fn clause_of(clause: &str, mode: u16, is_directory: bool) -> Option<u16> {
    let at = clause.find(['+', '-', '='])?;
    let (who, rest) = clause.split_at(at);
    let mut mask = 0;
    for one in who.chars() {
        mask |= match one {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let (mask, open) = match who {
        "" => (0o7777, !0o022),
        _ => (mask, !0),
    };
    let mut characters = rest.chars();
    let operator = characters.next()?;
    let mut bits = 0;
    for one in characters {
        bits |= match one {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            'X' if is_directory || mode & 0o111 != 0 => 0o111,
            'X' => 0,
            's' => 0o6000,
            't' => 0o1000,
            _ => return None,
        };
    }
    // Only `+t` of all or of others means the bit; of users and groups it means nothing.
    let bits = bits & mask & open;
    Some(match operator {
        '+' => mode | bits,
        '-' => mode & !bits,
        _ => {
            let kept = if is_directory {
                mode & 0o6000 & !bits
            } else {
                0
            };
            (mode & !(mask & 0o7777)) | bits | kept
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_that_files_get() {
        for (text, mode, is_directory, expected) in [
            ("4755", 0o644, false, Some(0o4755)),
            ("0755", 0o4711, false, Some(0o755)),
            ("750", 0o2755, true, Some(0o2750)),
            ("00750", 0o2755, true, Some(0o750)),
            ("u+s", 0o755, false, Some(0o4755)),
            ("ug+s", 0o755, false, Some(0o6755)),
            ("o+s", 0o755, false, Some(0o755)),
            ("+x", 0o644, false, Some(0o755)),
            ("a+w", 0o644, false, Some(0o666)),
            ("+w", 0o444, false, Some(0o644)),
            ("go-rwx,u=rw", 0o755, false, Some(0o600)),
            ("u=rwX", 0o644, false, Some(0o644)),
            ("a+X", 0o644, true, Some(0o755)),
            ("+t", 0o777, true, Some(0o1777)),
            ("u=g", 0o644, false, None),
            ("9", 0o644, false, None),
            ("", 0o644, false, None),
            ("17777", 0o644, false, None),
        ] {
            assert_eq!(
                changed(text, mode, is_directory),
                expected,
                "{text} {mode:o}"
            );
        }
    }
}
