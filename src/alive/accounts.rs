//! Users and groups that scriptlets make, as lines of sysusers.d(5).
//!
//! ```text
//! groupadd -g 48 -r apache                            g apache 48
//! useradd -c "Apache" -u 48 -g 48 -s /sbin/nologin \
//!     -r -d /usr/share/httpd apache                   u apache 48:48 "Apache" /usr/share/httpd /sbin/nologin
//! usermod -aG video apache                            m apache video
//! ```
//!
//! A package that has a snippet of its own makes its accounts with that: its scriptlets are written
//! by rpmbuild from the same lines, for systems without systemd.

use std::collections::{BTreeMap, BTreeSet};

use rpm_input::{Package, Scriptlet};

use super::shell::{self, Reach, Word};
use super::tmpfiles::{Line, Made};
use crate::base::Owners;
use crate::findings::{Finding, kinds};

/// Where snippets are.
const SNIPPETS: &str = "/usr/lib/sysusers.d/";
/// The moments of an installation.
const MOMENTS: [&str; 4] = ["pretrans", "pre", "post", "posttrans"];
/// Programs that read a script of the shell.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "ksh"];
/// Names are as long as Linux's own list of who is logged in has room for.
const LONGEST_NAME: usize = 31;

/// What a command is called, and its options that have an argument: letters and long names.
struct Tool {
    names: &'static [&'static str],
    letters: &'static str,
    long: &'static [(&'static str, char)],
}

/// useradd(8). On systems with RPM, adduser is a link to it.
const USERADD: Tool = Tool {
    names: &["useradd", "adduser"],
    letters: "bcdefgGkKpsuRPZ",
    long: &[
        ("base-dir", 'b'),
        ("comment", 'c'),
        ("home-dir", 'd'),
        ("expiredate", 'e'),
        ("inactive", 'f'),
        ("gid", 'g'),
        ("groups", 'G'),
        ("skel", 'k'),
        ("key", 'K'),
        ("password", 'p'),
        ("shell", 's'),
        ("uid", 'u'),
        ("root", 'R'),
        ("prefix", 'P'),
        ("selinux-user", 'Z'),
    ],
};
/// groupadd(8).
const GROUPADD: Tool = Tool {
    names: &["groupadd"],
    letters: "gKpRPU",
    long: &[
        ("gid", 'g'),
        ("key", 'K'),
        ("password", 'p'),
        ("root", 'R'),
        ("prefix", 'P'),
        ("users", 'U'),
    ],
};
/// usermod(8).
const USERMOD: Tool = Tool {
    names: &["usermod"],
    letters: "cdefgGlpsuRPvVwWZ",
    long: &[
        ("comment", 'c'),
        ("home", 'd'),
        ("expiredate", 'e'),
        ("inactive", 'f'),
        ("gid", 'g'),
        ("groups", 'G'),
        ("login", 'l'),
        ("password", 'p'),
        ("shell", 's'),
        ("uid", 'u'),
        ("root", 'R'),
        ("prefix", 'P'),
        ("selinux-user", 'Z'),
    ],
};

/// Where homes of daemons are, and may be made.
const STATE: [&str; 2] = ["var/", "srv/"];
/// The mode that useradd(8) gives them.
const MODE_OF_HOMES: u16 = 0o700;
/// Options of usermod(8) that give ranges of subordinate numbers, without hyphens.
const SUBORDINATES: [&str; 4] = ["add-subuids", "add-subgids", "v", "w"];

/// A user, as the first command that makes it has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    number: Option<u32>,
    /// The group that it has from the start: a name or a number.
    group: Option<String>,
    comment: Option<String>,
    home: Option<String>,
    /// Whether its home is made with it.
    is_housed: bool,
    shell: Option<String>,
}

/// The accounts that the scriptlets of packages make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    groups: BTreeMap<String, Option<u32>>,
    users: BTreeMap<String, User>,
    /// Users, each with a group that it is a member of besides.
    members: BTreeSet<(String, String)>,
    /// The packages.
    makers: BTreeSet<String>,
    /// Commands whose accounts are known only when they run.
    unread: Vec<Finding>,
}

impl Accounts {
    /// Reads the scriptlets of packages. What the base's own snippets or tables make needs no line.
    pub fn of(packages: &[&Package], base: &Owners) -> Self {
        let mut accounts = Self::default();
        for package in packages {
            let has_snippet = package.files.iter().any(|file| {
                let path = file.path.to_string();
                path.starts_with(SNIPPETS) && path.ends_with(".conf")
            });
            if has_snippet {
                continue;
            }
            for scriptlet in &package.scriptlets {
                accounts.read(package, scriptlet);
            }
        }
        accounts.groups.retain(|name, _| !base.makes_group(name));
        accounts.users.retain(|name, _| !base.makes_user(name));
        accounts.share_numbers(base);
        accounts
    }

    /// Says whether there is nothing to write.
    pub fn are_none(&self) -> bool {
        self.groups.is_empty() && self.users.is_empty() && self.members.is_empty()
    }

    /// Adds the numbers that scriptlets fix to those of the base, of which every number is known.
    pub fn fix(&self, base: &Owners) -> Owners {
        let mut owners = base.clone();
        if base.has_root() {
            let users = self.users.iter();
            owners.fix(
                users.filter_map(|(name, user)| Some((name.as_str(), user.number?))),
                (self.groups.iter()).filter_map(|(name, number)| Some((name.as_str(), (*number)?))),
            );
        }
        owners
    }

    /// Returns the snippet that makes them.
    pub fn snippet(&self) -> String {
        let makers: Vec<_> = self.makers.iter().map(String::as_str).collect();
        let mut text = format!("# What scriptlets of {} make.\n", makers.join(", "));
        let number = |number: Option<u32>| number.map_or("-".to_owned(), |it| it.to_string());
        for (name, gid) in &self.groups {
            // With a user, its own group is made.
            let user = self.users.get(name);
            let comes_with_user = user.is_some_and(|user| self.has_own_group(name, user));
            if gid.is_some() || !comes_with_user {
                text += &format!("g {name} {}\n", number(*gid));
            }
        }
        for (name, user) in &self.users {
            let own = self.groups.get(name).copied().flatten();
            let group = match (&user.group, self.has_own_group(name, user), own) {
                (Some(_), true, Some(gid)) => format!(":{gid}"),
                (Some(group), false, _) => format!(":{group}"),
                (None, ..) | (_, true, None) => String::new(),
            };
            text += &format!("u {name} {}{group}", number(user.number));
            let fields = [
                user.comment.as_deref().map(quoted),
                user.home.as_deref().map(escaped),
                user.shell.as_deref().map(escaped),
            ];
            let used = fields
                .iter()
                .rposition(Option::is_some)
                .map_or(0, |last| last + 1);
            for field in &fields[..used] {
                text += &format!(" {}", field.as_deref().unwrap_or("-"));
            }
            text.push('\n');
        }
        for (user, group) in &self.members {
            text += &format!("m {user} {group}\n");
        }
        text
    }

    /// Returns the homes that are made with users, which systemd-sysusers does not do, each as a path
    /// without its leading slash and what is to be there.
    pub fn homes(&self) -> impl Iterator<Item = (&str, Line)> {
        let housed = self.users.iter().filter(|(_, user)| user.is_housed);
        housed.filter_map(|(name, user)| {
            let home = user.home.as_deref()?.trim_matches('/');
            let is_state = STATE.iter().any(|above| home.starts_with(above));
            let is_plain = |part: &str| !["", ".", ".."].contains(&part);
            let group = match &user.group {
                Some(group) if !self.has_own_group(name, user) => group,
                _ => name,
            };
            let line = Line {
                made: Made::Directory,
                mode: MODE_OF_HOMES,
                owners: [name.clone(), group.clone()],
            };
            (is_state && home.split('/').all(is_plain)).then_some((home, line))
        })
    }

    /// Says what is made, and what could not be read.
    pub fn findings(&self, path: &str, is_run: bool) -> Vec<Finding> {
        let mut findings = self.unread.clone();
        if !self.are_none() {
            let users = self.users.keys().map(|name| format!("user {name}"));
            let has_user = |name: &&String| self.users.contains_key(*name);
            let groups = self.groups.keys().filter(|name| !has_user(name));
            let groups = groups.map(|name| format!("group {name}"));
            let members =
                (self.members.iter()).map(|(user, group)| format!("{user} in group {group}"));
            let all: Vec<_> = users.chain(groups).chain(members).collect();
            let makers: Vec<_> = self.makers.iter().map(String::as_str).collect();
            let run = match is_run {
                true => "systemd-sysusers runs on the host once the image is merged",
                false => "systemd-sysusers has to run on the host after the merge",
            };
            let text = format!(
                "/{path} makes what scriptlets of {} would have made: {}; {run}",
                makers.join(", "),
                all.join(", ")
            );
            findings.push(Finding::new(&kinds::ACCOUNTS_MADE, text));
        }
        findings
    }

    /// Says whether a user's group has the user's name, or will have once it is made.
    fn has_own_group(&self, name: &str, user: &User) -> bool {
        let gid = self.groups.get(name).copied().flatten();
        user.group
            .as_deref()
            .is_none_or(|group| group == name || gid.is_some_and(|gid| group.parse() == Ok(gid)))
    }

    /// Takes back numbers that the base gives to somebody else.
    fn share_numbers(&mut self, base: &Owners) {
        for (name, number) in &mut self.groups {
            if number.is_some_and(|it| base.is_group_of_another(name, it)) {
                *number = None;
            }
        }
        for (name, user) in &mut self.users {
            if user
                .number
                .is_some_and(|it| base.is_user_of_another(name, it))
            {
                user.number = None;
            }
        }
    }

    fn read(&mut self, package: &Package, scriptlet: &Scriptlet) {
        let program = scriptlet.program.first().map(String::as_str);
        let program = program.and_then(|path| path.rsplit('/').next());
        let is_shell = program.is_none_or(|program| SHELLS.contains(&program));
        if !is_shell || !MOMENTS.contains(&scriptlet.kind) {
            return;
        }
        let arguments = [Some("1".to_owned())];
        for command in shell::commands(&scriptlet.script, Some(&arguments)) {
            let Some(program) = command.program().filter(|_| command.reach != Reach::Never) else {
                continue;
            };
            let arguments = &command.words[1..];
            let read = match program {
                _ if USERADD.names.contains(&program) => self.useradd(arguments),
                _ if GROUPADD.names.contains(&program) => self.groupadd(arguments),
                // That is done on the host, and makes nobody.
                "usermod" if are_subordinates(arguments) => continue,
                _ if USERMOD.names.contains(&program) => self.usermod(arguments),
                "gpasswd" => self.gpasswd(arguments),
                "addgroup" | "groupmod" | "groupmems" | "newusers" => None,
                _ => continue,
            };
            match read {
                Some(()) => {
                    self.makers.insert(package.nevra.to_string());
                }
                None => {
                    let text = command.one_line();
                    let text = format!(
                        "{}: {}: what `{text}` makes is known only when it runs",
                        package.nevra, scriptlet.kind
                    );
                    self.unread.push(Finding::new(&kinds::ACCOUNT_UNREAD, text));
                }
            }
        }
    }

    fn useradd(&mut self, arguments: &[Word]) -> Option<()> {
        let options = USERADD.parse(arguments)?;
        let name = options.name()?;
        // Whom it belongs to must be certain; what it is called, or where it lives, need not.
        let is_certain = |letter| options.values.get(&letter).is_none_or(Option::is_some);
        if !['u', 'g', 'G'].into_iter().all(is_certain) {
            return None;
        }
        let groups = split(options.value('G').unwrap_or_default())?;
        let absolute = |value: &&str| value.starts_with('/') && !value.contains(['\n', ':']);
        let user = User {
            number: options.value('u').and_then(|number| number.parse().ok()),
            group: (options.value('g'))
                .filter(|group| is_valid(group) || group.parse::<u32>().is_ok())
                .map(str::to_owned),
            comment: (options.value('c'))
                .filter(|text| !text.is_empty() && !text.contains(['\n', ':']))
                .map(str::to_owned),
            home: options.value('d').filter(absolute).map(str::to_owned),
            is_housed: arguments.iter().flatten().any(|word| makes_home(word)),
            shell: options.value('s').filter(absolute).map(str::to_owned),
        };
        self.users.entry(name.to_owned()).or_insert(user);
        let members = groups.into_iter().map(|group| (name.to_owned(), group));
        self.members.extend(members);
        Some(())
    }

    fn groupadd(&mut self, arguments: &[Word]) -> Option<()> {
        let options = GROUPADD.parse(arguments)?;
        let name = options.name()?;
        let number = options.value('g').and_then(|number| number.parse().ok());
        self.groups.entry(name.to_owned()).or_insert(number);
        Some(())
    }

    /// Of a user that is there already, nothing but membership is a line of sysusers.d(5).
    fn usermod(&mut self, arguments: &[Word]) -> Option<()> {
        let options = USERMOD.parse(arguments)?;
        let name = options.name()?;
        let groups = split(options.value('G')?)?;
        let members = groups.into_iter().map(|group| (name.to_owned(), group));
        self.members.extend(members);
        Some(())
    }

    /// `gpasswd -a USER GROUP`.
    fn gpasswd(&mut self, arguments: &[Word]) -> Option<()> {
        let [Some(option), Some(user), Some(group)] = arguments else {
            return None;
        };
        let is_add = matches!(option.as_str(), "-a" | "--add");
        (is_add && is_valid(user) && is_valid(group)).then(|| {
            self.members.insert((user.clone(), group.clone()));
        })
    }
}

/// Says whether a word has useradd(8) make the home.
fn makes_home(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    let is_short = !letters.is_empty() && !letters.starts_with('-');
    // Of letters in one word, those after one with a value are its value.
    let before = letters.split(|one| USERADD.letters.contains(one)).next();
    word == "--create-home" || (is_short && before.is_some_and(|before| before.contains('m')))
}

/// Says whether usermod(8) is only to give a user ranges of subordinate numbers.
pub fn are_subordinates(arguments: &[Word]) -> bool {
    let [rest @ .., Some(_)] = arguments else {
        return false;
    };
    let is_option = |word: &Word| {
        (word.as_deref()).is_some_and(|word| SUBORDINATES.contains(&word.trim_start_matches('-')))
    };
    let is_range = |word: &Word| {
        (word.as_deref()).is_some_and(|word| {
            let numbers = word.split_once('-');
            numbers.is_some_and(|(first, last)| {
                [first, last].iter().all(|one| one.parse::<u32>().is_ok())
            })
        })
    };
    let mut pairs = rest.chunks(2);
    !rest.is_empty()
        && pairs.all(|pair| pair.len() == 2 && is_option(&pair[0]) && is_range(&pair[1]))
}

/// A command line that was taken apart.
struct Options {
    values: BTreeMap<char, Word>,
    operands: Vec<Word>,
}

impl Options {
    /// The one account that the command is about.
    fn name(&self) -> Option<&str> {
        match &self.operands[..] {
            [Some(name)] if is_valid(name) => Some(name),
            _ => None,
        }
    }

    fn value(&self, letter: char) -> Option<&str> {
        self.values.get(&letter)?.as_deref()
    }
}

impl Tool {
    /// Takes arguments apart as getopt_long(3) does: options may follow operands.
    fn parse(&self, arguments: &[Word]) -> Option<Options> {
        let mut options = Options {
            values: BTreeMap::new(),
            operands: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let Some(word) = argument else {
                options.operands.push(None);
                continue;
            };
            if word == "--" {
                options.operands.extend(arguments.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                // An abbreviation will do.
                let known = self.long.iter().find(|(known, _)| known.starts_with(name));
                if let Some((_, letter)) = known {
                    let value = match value {
                        Some(value) => Some(value.to_owned()),
                        None => arguments.next()?.clone(),
                    };
                    options.values.insert(*letter, value);
                }
            } else if let Some(letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
                let with_value = letters
                    .char_indices()
                    .find(|(_, one)| self.letters.contains(*one));
                if let Some((at, letter)) = with_value {
                    let rest = &letters[at + letter.len_utf8()..];
                    let value = match rest.is_empty() {
                        true => arguments.next()?.clone(),
                        false => Some(rest.to_owned()),
                    };
                    options.values.insert(letter, value);
                }
            } else {
                options.operands.push(Some(word.clone()));
            }
        }
        Some(options)
    }
}

/// Splits a list of groups.
fn split(groups: &str) -> Option<Vec<String>> {
    let groups = groups.split(',').filter(|group| !group.is_empty());
    groups
        .map(|group| is_valid(group).then(|| group.to_owned()))
        .collect()
}

/// Says whether systemd takes this for the name of an account.
fn is_valid(name: &str) -> bool {
    let is_one = |one: char| one.is_ascii_alphanumeric() || "_-".contains(one);
    (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(is_one)
        && !name.starts_with(|first: char| first.is_ascii_digit() || first == '-')
}

/// Writes a field that may have spaces.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Writes a field as sysusers.d(5) reads it back.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => escaped.extend(['\\', character]),
            '%' => escaped.push_str("%%"),
            one => escaped.push(one),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rpm_input::{File, FileKind, Nevra};

    use super::*;

    fn package(name: &str, script: &str) -> Package {
        let mut package = Package::named(Nevra {
            name: name.to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        package.scriptlets.push(Scriptlet {
            kind: "pre",
            program: vec!["/bin/sh".to_owned()],
            script: script.to_owned(),
            waits_for: Vec::new(),
        });
        package
    }

    /// The lines of a snippet, without its heading.
    fn lines(script: &str, base: &Owners) -> Vec<String> {
        let package = package("d", script);
        let snippet = Accounts::of(&[&package], base).snippet();
        snippet.lines().skip(1).map(str::to_owned).collect()
    }

    /// What distributions write, and vendors.
    #[test]
    fn commands_become_lines() {
        for (script, expected) in [
            (
                "getent group miniflux >/dev/null || groupadd -r miniflux\n\
                 getent passwd miniflux >/dev/null || \\\n    useradd -r -g miniflux -d /dev/null \\\n\
                 -s /sbin/nologin \\\n -c \"Miniflux Daemon\" miniflux\nexit 0",
                &["u miniflux - \"Miniflux Daemon\" /dev/null /sbin/nologin"][..],
            ),
            (
                "/usr/sbin/groupadd -g 48 -r apache 2> /dev/null || :\n\
                 /usr/sbin/useradd -c \"Apache\" -u 48 -g 48 \\\n -s /sbin/nologin -r \\\n\
                 -d /usr/share/httpd apache 2> /dev/null || :",
                &[
                    "g apache 48",
                    "u apache 48:48 \"Apache\" /usr/share/httpd /sbin/nologin",
                ],
            ),
            (
                "getent group 'tss' >/dev/null || groupadd -f -g '59' -r 'tss' || :\n\
                 if ! getent passwd 'tss' >/dev/null; then\n    if ! getent passwd '59'; then\n\
                 useradd -r -u '59' -g 'tss' -d '/' -s '/usr/sbin/nologin' 'tss' || :\n    else\n\
                 useradd -r -g 'tss' -d '/' -s '/usr/sbin/nologin' 'tss' || :\n    fi\nfi",
                &["g tss 59", "u tss 59:59 - / /usr/sbin/nologin"],
            ),
            ("groupadd --system docker", &["g docker -"]),
            (
                "useradd --system --user-group --home \"/var/lib/s\" --comment \"S User\" \"s\"",
                &["u s - \"S User\" /var/lib/s"],
            ),
            (
                "N=x; useradd -rM --shell=/bin/false $N",
                &["u x - - - /bin/false"],
            ),
            ("useradd x -r -g users", &["u x -:users"]),
            ("useradd -g users -u 7 x", &["u x 7:users"]),
            (
                "adduser -r --groups rtlsdr,video readsb",
                &["u readsb -", "m readsb rtlsdr", "m readsb video"],
            ),
            ("usermod -aG render lemonade", &["m lemonade render"]),
            (
                "usermod -a -G tty x; gpasswd -a x dialout",
                &["m x dialout", "m x tty"],
            ),
            (
                "useradd -c '100% \"it\"' x",
                &["u x - \"100%% \\\"it\\\"\""],
            ),
            ("useradd -c a:b -d relative x", &["u x -"]),
            ("useradd -- x", &["u x -"]),
            ("useradd -u 5 x\nuseradd -u 6 x", &["u x 5"]),
            ("echo useradd x # groupadd y", &[]),
            ("useradd 7x; useradd -r; useradd $1; useradd a b", &[]),
        ] {
            assert_eq!(lines(script, &Owners::default()), expected, "{script}");
        }
    }

    #[test]
    fn what_is_known_only_on_the_host_is_said() {
        for (script, expected) in [
            (
                "for i in $(ls /home); do\n  usermod -G jupiter -a $i 2>/dev/null || true\ndone",
                Some("usermod -G jupiter -a $i 2>/dev/null"),
            ),
            ("useradd -u $(next) x", Some("useradd -u $(next) x")),
            ("usermod -s /bin/sh x", Some("usermod -s /bin/sh x")),
            ("useradd -d $HOME x", None),
            ("id x", None),
        ] {
            let package = package("d", script);
            let found = Accounts::of(&[&package], &Owners::default()).findings("p", false);
            let unread = found.iter().filter(|one| one.kind.id == "account-unread");
            let unread: Vec<_> = unread.map(|one| one.text.clone()).collect();
            let expected = expected.map(|command| {
                format!("d-1-1.noarch: pre: what `{command}` makes is known only when it runs")
            });
            assert_eq!(unread, Vec::from_iter(expected), "{script}");
        }
    }

    #[test]
    fn scriptlets_that_make_nothing_for_an_image() {
        let base = Owners::default();
        let script = "useradd x";
        let is_none = |change: &dyn Fn(&mut Package)| {
            let mut package = package("d", script);
            change(&mut package);
            Accounts::of(&[&package], &base).are_none()
        };
        assert!(!is_none(&|_| ()));
        assert!(!is_none(&|package| package.scriptlets[0].program.clear()));
        assert!(is_none(&|package| package.scriptlets[0].kind = "postun"));
        assert!(is_none(
            &|package| package.scriptlets[0].program = vec!["<lua>".to_owned()]
        ));
        for (path, expected) in [
            ("/usr/lib/sysusers.d/d.conf", true),
            ("/usr/lib/sysusers.d/README", false),
            ("/usr/lib/d.conf", false),
        ] {
            let add = |package: &mut Package| {
                let file = File::new(path.to_owned(), FileKind::Regular);
                package.files = std::iter::once(file).collect();
            };
            assert_eq!(is_none(&add), expected, "{path}");
        }
    }

    #[test]
    fn the_base_has_accounts_and_numbers() {
        let base = Owners::of_tables("a:x:48:48::/:\n", "g:x:5:\n");
        for (script, expected) in [
            ("useradd a", &[][..]),
            ("groupadd -g 5 g", &[]),
            // Somebody else has the number.
            ("useradd -u 48 b", &["u b -"]),
            ("groupadd -g 5 h", &["g h -"]),
            ("useradd -u 49 b", &["u b 49"]),
        ] {
            assert_eq!(lines(script, &base), expected, "{script}");
        }
    }
}
