use super::*;

fn commands_of(script: &str) -> Vec<Command> {
    let arguments = [Some("1".to_owned())];
    let mut commands = commands(script, Some(&arguments));
    commands.retain(|command| !command.words.is_empty() || !command.is_read);
    commands
}

fn shown(command: &Command) -> String {
    let words = command.words.iter();
    let words: Vec<_> = words
        .map(|word| word.clone().unwrap_or("?".to_owned()))
        .collect();
    match command.is_read {
        true => words.join(" "),
        false => format!("unread: {}", command.text),
    }
}

#[test]
fn commands_of_scripts() {
    for (script, expected) in [
        ("a b", &["a b"][..]),
        ("a 'b c' \"d ${E-x}\" f\\ g", &["a b c d x f g"]),
        ("a || b && c; d | e & f", &["a", "b", "c", "d", "e", "f"]),
        ("a \\\n  b\n# c\nd#e f # g", &["a b", "d#e f"]),
        (
            "if ! getent passwd x > /dev/null 2>&1; then\n  useradd x &>/dev/null\nfi",
            &["getent passwd x", "useradd x"],
        ),
        ("{ a; b; } >c", &["a", "b"]),
        ("(a b)", &["a b"]),
        ("N=x\na $N ${N}y \"$N\"", &["a x xy x"]),
        ("N='x y' a $N", &["a"]),
        ("N='x y'; a $N \"$N\"", &["a x y x y"]),
        ("N=x\nN=y\na $N", &["a y"]),
        ("if b; then N=x; fi; a $N", &["b", "a ?"]),
        ("if b; then N=x; else N=x; fi; a $N", &["b", "a x"]),
        ("b && N=x; a $N", &["b", "a ?"]),
        ("[ 1 = 1 ] && N=x; a $N", &["[ 1 = 1 ]", "a x"]),
        ("[ 1 = 2 ] && N=x; a q$N", &["[ 1 = 2 ]", "a q"]),
        ("(N=x); a q$N", &["a q"]),
        ("if N=$(b) a \"if\" $N; then M=x b; fi", &["b", "a if", "b"]),
        (
            "N=$(b)\na $N $2 `c` $(d; (e f)) $",
            &["b", "c", "d", "e f", "a ? ? ? $"],
        ),
        ("for i in a b; do c $i; done", &["c a", "c b"]),
        ("for i in $(a); do c $i; done", &["a", "c ?"]),
        ("L='x y'; for i in $L; do c $i; done", &["c x", "c y"]),
        ("ls | while read i; do c $i; done", &["ls", "read i", "c ?"]),
        ("while a; do b $N; N=x; done", &["a", "b ?"]),
        ("cat <<E >f\nuseradd x\nE\na", &["cat", "a"]),
        ("cat <<-'E'\n\tuseradd $(x)\n\tE\na", &["cat", "a"]),
        ("cat <<E\n$(x)\nE\na", &["cat", "unread: $(x)\nE", "a"]),
        ("cat <<< x\na", &["cat", "a"]),
        ("a /b*", &["a ?"]),
        ("a '", &["unread: a '"]),
        ("b; a $(", &["b", "unread: a $("]),
        ("", &[]),
        ("f() { a $1; }; f x; f y", &["a x", "a y"]),
        ("function f { a \"$@\"; }\nf 'x z' y", &["a x z y"]),
        ("sh -c 'a b; c'", &["a b", "c"]),
        ("a; exec b c; d", &["a", "b c", "d"]),
        ("command a b; env N=x c", &["a b", "c"]),
        ("case $1 in 1) a;; 2) b;; *) c;; esac", &["a", "b", "c"]),
        (
            "s=x.service; a ${s%.*} ${s#x.} ${s%%e*} ${s##*.}",
            &["a x service x.s service"],
        ),
        ("a <(b) >(c)", &["b", "c", "a ? ?"]),
        ("a ${N:=b}; c $N", &["a ?", "c ?"]),
        (
            "[[ $1 == 1 && -x /b ]] && a",
            &["[[ 1 == 1 & & -x /b ]]", "a"],
        ),
        ("local N=x M=$(b); a $N $M", &["b", "local N=x ?", "a x ?"]),
        (". /etc/rc.status; a $N", &[". /etc/rc.status", "a ?"]),
        ("N=y; N+=x; a $N", &["a ?"]),
        (
            "select x in y; do a; done",
            &["unread: select x in y; do a; done"],
        ),
        ("PATH=/x a", &["unread: PATH=/x a"]),
    ] {
        let found: Vec<_> = commands_of(script).iter().map(shown).collect();
        assert_eq!(found, expected, "{script}");
    }
}

/// What an installation gets to: `+` for sure, `~` if something is there, `?` perhaps, `-` never.
#[test]
fn what_an_installation_gets_to() {
    for (script, expected) in [
        ("a; b", "+a +b"),
        ("if [ $1 -eq 1 ]; then a; else b; fi; c", "+a -b +c"),
        (
            "if [ $1 -gt 1 ]; then a; elif [ \"$1\" = 1 ]; then b; else c; fi",
            "-a +b -c",
        ),
        ("[ $1 -gt 1 ] && a; [ $1 -gt 1 ] || b", "-a +b"),
        ("if [ -x /usr/bin/s ]; then a; fi", "~a"),
        ("if [ $1 -eq 1 ] && [ -x /usr/bin/s ]; then a; fi", "~a"),
        ("if [ $1 -ge 2 ] && [ -x /usr/bin/s ]; then a; fi", "-a"),
        ("if test ! -e /a -a $1 = 1; then a; else b; fi", "~a ~b"),
        ("if [ $1 = 0 -o -f /x ]; then a; fi", "~a"),
        ("if [ -f /etc/x.rpmsave ]; then a; fi", "-a"),
        ("if grep -q x /etc/y; then a; else b; fi", "+grep ?a ?b"),
        ("which a && b", "+which ~b"),
        ("mkdir /x && a || b", "+mkdir +a ?b"),
        ("a; exit 0; b", "+a -b"),
        ("[ $1 -gt 1 ] && exit 0; a", "+a"),
        ("[ -x /s ] || exit 0; a", "~a"),
        ("grep x y || exit 0; a", "+grep ?a"),
        ("mkdir /x || exit 1; a", "+mkdir +a"),
        ("(exit 0); a", "+a"),
        ("f() { return; a; }; f; b", "-a +b"),
        ("test -n \"$F\" || F=$1; [ $F -eq 1 ] && a", "+a"),
        ("if [ \"$Y\" != instsys ]; then a; fi", "+a"),
        ("if [ -n \"$HOME\" ]; then a; fi", "?a"),
        ("for i in $(b); do a; done", "+b ?a"),
        ("while b; do a; done", "+b ?a"),
        ("case $1 in 0) a;; 1|2) b;; *) c;; esac", "-a +b -c"),
        ("case $(b) in x) a;; *) c;; esac", "+b ?a ?c"),
        ("false && a; true || b; ! true || c", "-a -b +c"),
        ("[ $# -gt 1 ] && a", "?a"),
        ("if false; then f() { a; }; fi; f", "+f"),
    ] {
        let asking = ["[", "[[", "test", "exit", "true", "false", "return"];
        let found = commands_of(script).into_iter().filter_map(|command| {
            let program = command.program()?;
            let mark = match command.reach {
                Reach::Runs => '+',
                Reach::IfThere => '~',
                Reach::Unknown => '?',
                Reach::Never => '-',
            };
            (!asking.contains(&program)).then(|| format!("{mark}{program}"))
        });
        assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{script}");
    }
    // Without arguments, as of a trigger, nobody knows.
    let found = commands("[ $1 = 1 ] && a", None);
    assert_eq!(found[1].reach, Reach::Unknown);
}

#[test]
fn a_command_has_its_text_and_its_place() {
    let found =
        commands_of("# a\nif x; then /usr/sbin/useradd \\\n  -r \"$a\" || :; fi\n\nb >/etc/c");
    assert_eq!(found[1].text, "/usr/sbin/useradd \\\n  -r \"$a\"");
    assert_eq!(found[1].one_line(), "/usr/sbin/useradd -r \"$a\"");
    let lines: Vec<_> = found.iter().map(|command| command.line).collect();
    assert_eq!(lines, [2, 2, 3, 5]);
    assert_eq!(found[3].writes, [Some("/etc/c".to_owned())]);
    let found = commands("{ a; } 2>&1 >>/etc/$1", None);
    assert_eq!((found[0].line, &found[0].writes[..]), (1, &[None][..]));
}

#[test]
fn scripts_that_do_not_end_do() {
    for script in [
        "f() { f; f; }; f".to_owned(),
        format!(
            "{}{}",
            "for i in a b c; do ".repeat(30),
            "done; ".repeat(30)
        ),
        format!("{}a", "while b; do ".repeat(30)) + &"; done".repeat(30),
        "(".repeat(5000),
        "if a; then ".repeat(5000),
        "a ${".repeat(5000),
        "x".repeat(300 * 1024),
        "`".repeat(99),
    ] {
        let found = commands(&script, None);
        assert!(
            found.iter().any(|command| !command.is_read),
            "{}",
            &script[..20]
        );
    }
}
