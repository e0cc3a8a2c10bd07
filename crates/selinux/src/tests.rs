use super::*;

fn contexts(text: &str) -> FileContexts {
    FileContexts::new(Texts {
        contexts: text.as_bytes(),
        ..Texts::default()
    })
    .unwrap()
}

fn refused(text: &str) -> String {
    let read = FileContexts::new(Texts {
        local: text.as_bytes(),
        ..Texts::default()
    });
    read.err().unwrap().to_string()
}

fn label(text: &str, path: &str) -> Option<String> {
    let mut contexts = contexts(text);
    let label = contexts.label(path.as_bytes(), FileType::Regular).unwrap();
    label.map(str::to_owned)
}

/// What libselinux 3.8 and newer say; 3.4 says something else of some of them.
#[test]
fn where_versions_differ() {
    for (text, path, expected) in [
        ("/a/.* x\n/a/\\d\\d y\n/a/1. z", "/a/12", Some("z")),
        ("/a\\-b/.* x", "/a-b/c", Some("x")),
        ("/a\\-b x", "/a-b", Some("x")),
        ("/a/b -- x\n/a/b y", "/a/b", Some("x")),
        ("/a/b x", "/a/b\n", None),
        ("/a/b.? x", "/a/b\n", Some("x")),
        ("/a/[b] x", "/a/b\n", Some("x")),
        ("/a/[b] x", "/a/b\n\n", None),
    ] {
        assert_eq!(label(text, path).as_deref(), expected, "{text} {path}");
    }
}

#[test]
fn what_is_not_understood_is_named() {
    for (text, expected) in [
        ("\n/a", "line 2: it has no label"),
        (
            "/a -x l",
            "line 1: \"-x\" is not a type of file, such as -- or -d",
        ),
        ("/\u{e4} l", "line 1: it is not ASCII"),
        ("/a l\u{e4}", "line 1: it is not ASCII"),
        (
            "/a(?=b) l",
            "line 1: /a(?=b): only plain groups, ( and (?:, are supported",
        ),
        (
            "/a(*F) l",
            "line 1: /a(*F): only plain groups, ( and (?:, are supported",
        ),
        ("/a(b l", "line 1: /a(b: a group has no end"),
        ("/a.) l", "line 1: /a.): a group ends that has not begun"),
        (
            "/a.*+ l",
            "line 1: /a.*+: a possessive or doubled repetition is not supported",
        ),
        (
            "/(*a) l",
            "line 1: /(*a): only plain groups, ( and (?:, are supported",
        ),
        ("/(+a) l", "line 1: /(+a): '+' has nothing to repeat"),
        (
            "/(a)\\1 l",
            "line 1: /(a)\\1: the escape \\1 is not supported",
        ),
        (
            "/a{,2} l",
            "line 1: /a{,2}: {,N} means different things to different versions of PCRE",
        ),
        (
            "/a{2,1} l",
            "line 1: /a{2,1}: a repetition ends below its beginning",
        ),
        (
            "/a{1001} l",
            "line 1: /a{1001}: a repetition has a count above 1000",
        ),
        ("/^* l", "line 1: /^*: an anchor is repeated"),
        ("/[a l", "line 1: /[a: a class has no end"),
        (
            "/[b-a] l",
            "line 1: /[b-a]: a range ends below its beginning",
        ),
        (
            "/[\\d-x] l",
            "line 1: /[\\d-x]: a range begins with a class",
        ),
        ("/[a-\\d] l", "line 1: /[a-\\d]: a range ends with a class"),
        (
            "/[[:foo:]] l",
            "line 1: /[[:foo:]]: a class has an unknown name, as in [:alpha:]",
        ),
        (
            "/[[.a.]] l",
            "line 1: /[[.a.]]: a class has an unknown name, as in [:alpha:]",
        ),
    ] {
        let expected = format!("file_contexts.local, {expected}");
        assert_eq!(refused(text), expected, "{text}");
    }
    let compiled = FileContexts::new(Texts {
        contexts: &0xf97c_ff8a_u32.to_le_bytes(),
        ..Texts::default()
    });
    let said = compiled.err().unwrap().to_string();
    assert!(
        said.starts_with("file_contexts is in its compiled form, which is not read"),
        "{said}"
    );
}

#[test]
fn texts_are_so_long() {
    let rules = |count: usize| {
        FileContexts::new(Texts {
            contexts: "/a l\n".repeat(count).as_bytes(),
            ..Texts::default()
        })
    };
    assert!(rules(65_536).is_ok());
    let said = rules(65_537).err().unwrap().to_string();
    assert_eq!(
        said,
        "file_contexts, line 65537: there are more than 65536 rules"
    );

    let long = |length: usize| format!("/{} l", "a".repeat(length - 1));
    assert_eq!(label(&long(16_384), "/").as_deref(), None);
    let said = refused(&long(16_385));
    assert_eq!(
        said,
        "file_contexts.local, line 1: its expression has more than 16384 bytes"
    );

    let nested = |depth: usize| format!("/{}a{} l", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(label(&nested(64), "/a").as_deref(), Some("l"));
    let said = refused(&nested(65));
    assert!(
        said.ends_with(": more than 64 groups are within each other"),
        "{said}"
    );
    assert_eq!(
        label("/a{1000} l", &format!("/{}", "a".repeat(1000))).as_deref(),
        Some("l")
    );

    let subs = |count: usize| {
        let lines = (0..count)
            .map(|number| format!("/{number} /x\n"))
            .collect::<String>();
        let mut contexts = FileContexts::new(Texts {
            contexts: b"/x l",
            subs: lines.as_bytes(),
            ..Texts::default()
        })
        .unwrap();
        let last = format!("/{}", count - 1);
        contexts
            .label(last.as_bytes(), FileType::Regular)
            .unwrap()
            .map(str::to_owned)
    };
    assert_eq!(subs(4096).as_deref(), Some("l"));
    assert_eq!(subs(4097), None);
}

/// Expressions that are short and stand for much.
#[test]
fn what_takes_memory_or_time_is_refused() {
    let asked = |text: &str, path: &[u8]| {
        let mut contexts = contexts(text);
        contexts
            .label(path, FileType::Regular)
            .map(|label| label.map(str::to_owned))
    };
    // An expression of n states, with those that are around each.
    let of = |count: usize| {
        format!(
            "/x/{}[ab]{{{}}} l",
            "[ab]{1000}".repeat(count / 1000),
            count % 1000
        )
    };
    let around = 8;
    let largest = MAX_STATES - around;
    let path = [b"/x/", "a".repeat(largest).as_bytes()].concat();
    assert_eq!(asked(&of(largest), &path).unwrap().as_deref(), Some("l"));
    let said = asked(&of(largest + 1), &path).unwrap_err().to_string();
    assert_eq!(
        said,
        "the expressions of file_contexts take too much memory or time (file_contexts, line 1)"
    );
    // Nothing, however often, is nothing.
    let nothing = format!("/x{}{} l", "(".repeat(60), "){1000}".repeat(60));
    assert_eq!(asked(&nothing, b"/x").unwrap().as_deref(), Some("l"));
    let nested = format!("/x{}a{} l", "(".repeat(20), ")*".repeat(20));
    assert_eq!(asked(&nested, b"/xaaaa").unwrap().as_deref(), Some("l"));

    // Each byte of these paths leads to another set of many states.
    let mut contexts = contexts(&"/x/(.*a.{900}){1} l\n".repeat(1000));
    contexts.work = 3_000_000;
    let mut seed = 1_u32;
    let mut looked_up = 0;
    let said = loop {
        let path = path_of_letters(&mut seed, 950);
        match contexts.label(&path, FileType::Regular) {
            Ok(_) => looked_up += 1,
            Err(error) => break error.to_string(),
        }
        assert!(
            contexts.tables <= MAX_TABLES + (48 << 20),
            "{}",
            contexts.tables
        );
        assert!(looked_up < 1000);
    };
    assert_eq!(
        said,
        "the expressions of file_contexts take too much memory or time (below /x)"
    );
}

/// Returns a path with `count` letters, each `a` or `b`.
fn path_of_letters(seed: &mut u32, count: usize) -> Vec<u8> {
    let letters = std::iter::repeat_with(|| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if *seed >> 31 == 0 { b'a' } else { b'b' }
    });
    b"/x/".iter().copied().chain(letters.take(count)).collect()
}

/// However often the table is begun again, the answers are the same.
#[test]
fn a_full_table_is_begun_again() {
    let mut contexts = contexts("/x/.* all\n/x/.*a.{300} x\n/x/(b|ab)*.{200}b -- y\n/.* z");
    let mut again = 0;
    let mut seed = 7_u32;
    for _ in 0..60 {
        let path = path_of_letters(&mut seed, 400);
        let expected = "z";
        let before = contexts.tables;
        let found = contexts.label(&path, FileType::Directory).unwrap();
        assert_eq!(found, Some(expected));
        again += u32::from(contexts.tables < before);
    }
    assert!(again > 0);
}
