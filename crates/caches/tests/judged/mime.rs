//! Types of files, judged by update-mime-database.

use std::fs;
use std::path::Path;

use caches::{Contents, Ignored, Made, mime};

use super::{Scratch, run};

const START: &str = "<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>\n";

/// A definition of a type, with what is in it.
fn of(name: &str, within: &str) -> String {
    format!("<mime-type type='{name}'>{within}</mime-type>\n")
}

fn document(within: &str) -> String {
    format!("{START}{within}</mime-info>\n")
}

/// Lets the tool write its files into a directory, and compares with what is made.
fn compare(name: &str, documents: &[(&str, String)]) -> Made {
    let scratch = Scratch::new(&format!("mime-{name}"));
    let root = scratch.path();
    fs::create_dir_all(root.join("packages")).unwrap();
    let mut sources = Contents::new();
    for (name, text) in documents {
        let name = format!("packages/{name}");
        fs::write(root.join(&name), text).unwrap();
        sources.insert(name, text.clone().into_bytes());
    }
    run("update-mime-database", &[root]);
    let mut judged = Contents::new();
    files(root, root, &mut judged);
    judged.remove("version");
    judged.retain(|name, _| !name.starts_with("packages/"));
    let made = mime::make(&sources);
    let names = |files: &Contents| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made.files), names(&judged), "{name}");
    for (file, bytes) in &judged {
        let other = &made.files[file];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if file != mime::NAME && bytes.len() < 4000 {
            assert_eq!(text(other), text(bytes), "{name}: {file}");
        }
        assert!(other == bytes, "{name}: other bytes in {file}");
    }
    made
}

fn files(root: &Path, directory: &Path, found: &mut Contents) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.insert(name.to_owned(), fs::read(&path).unwrap());
        }
    }
}

#[test(program("update-mime-database"))]
fn types_are_known_as_by_the_tool() {
    let cases: &[(&str, String)] = &[
        ("empty", String::new()),
        ("bare", of("text/x-a", "") + &of("X-Vendor/Thing", "")),
        (
            "globs",
            of(
                "text/x-a",
                "<glob pattern='*.A'/><glob pattern='*.B' case-sensitive='true' weight='70'/>\
                 <glob pattern='Makefile'/><glob pattern='readme.*' weight='0'/><glob pattern='x[0-9]?'/>\
                 <glob pattern='*.tar.gz' weight='100'/><glob pattern='a\\b'/><glob pattern='*~'/>",
            ) + &of(
                "text/x-b",
                "<glob-deleteall/><glob pattern='*.a' weight='60'/><glob pattern='*.a' weight='80'/>\
                 <glob pattern='*.ta'/><glob pattern='*.ä'/><glob pattern='*.€🦀'/><glob pattern='makefile'/>\
                 <glob pattern='*.gz'/><glob pattern='x[0-9]?' weight='51'/>",
            ) + &of("text/x-c", "<glob pattern='*.A' case-sensitive='true'/><glob-deleteall/>"),
        ),
        (
            "magic",
            of(
                "text/x-a",
                "<magic priority='60'><match type='string' offset='0' value='a\\\\b\\x41\\x4g\\xg\\0\\101\\18\\n\\t\\q'/>\
                 <match type='string' offset='4:260' value='ab' mask='0xffDf'>\
                 <match type='big16' offset='10' value='0x0102' mask='0xff'/>\
                 <match type='host32' offset='4' value='4294967296'>\
                 <match type='byte' offset='-3' value='0377'/></match>\
                 <match type='little32' offset='6' value='-2' mask='0xf0f0f0f0'/></match></magic>\
                 <magic><match type='host16' offset='1:2' value='258'/>\
                 <match type='little16' offset='1' value='258'/></magic>",
            ) + &of(
                "text/x-b",
                "<magic-deleteall/><magic priority='100'><match type='big32' offset='3' value='010'/>\
                 <match type='string' offset='0' value='abcde' mask='0x12'/></magic>",
            ) + &of("text/a.b", "<magic><match type='string' offset='0' value='\\'/></magic><magic-deleteall/>")
                + &of("text/a", "<magic><match type='string' offset='0' value='ä'/></magic>"),
        ),
        (
            "tree",
            of(
                "x-content/a",
                "<treemagic priority='70'><treematch path='dcim' type='directory' non-empty='true'>\
                 <treematch path='dcim/1' match-case='true' executable='true' mimetype='image/png'/></treematch>\
                 </treemagic><treemagic><treematch path='b' type='file'/><treematch path='c' type='link' match-case='no'/>\
                 </treemagic>",
            ) + &of("x-content/b", "<treemagic priority='70'/>"),
        ),
        (
            "others",
            of(
                "text/x-a",
                "<root-XML namespaceURI='http://a/' localName='b'/><root-XML namespaceURI='' localName='c'/>\
                 <root-XML namespaceURI='http://a/' localName=''/><alias type='text/b'/><alias type='text/c'/>\
                 <sub-class-of type='text/plain'/><sub-class-of type='text/plain'/><sub-class-of type='text/z'/>\
                 <icon name='a'/><generic-icon name='b'/><generic-icon/><unknown/>",
            ) + &of(
                "text/x-b",
                "<alias type='text/b'/><icon name='c'/><icon name='d'/><sub-class-of type='text/y'/>\
                 <root-XML namespaceURI='http://a/' localName='b'/><root-XML namespaceURI='a' localName='\u{c4}'/>",
            ),
        ),
        (
            "copied",
            of(
                "text/x-a",
                "<comment>a &lt;&amp;&gt; \"b\" &#13;</comment><comment xml:lang='de'>ä</comment>\
                 <comment xml:lang='de' >ö</comment><comment xml:lang=''>e</comment><comment/>\
                 <acronym>A</acronym><expanded-acronym>B</expanded-acronym><comment>b</comment>\
                 <glob pattern='&quot;&#10;&#9;&lt;&gt;'/>\
                 <f:x xmlns:f='http://f/'><f:y/><comment>c</comment><f:z> <f:w/></f:z></f:x>\
                 <g:x xmlns:g='http://g/' g:a='1' xmlns:h='http://h/' b='2'><g:y xmlns:i='http://i/' i:c='d'><i:e/><j xmlns=''/></g:y></g:x>\
                 <x xmlns='http://x/'><y/></x>",
            ),
        ),
        (
            // As many as make GLib's tables grow.
            "many",
            (0..500)
                .map(|number| {
                    of(
                        &format!("application/x-{number}"),
                        &format!(
                            "<comment>{number}</comment><glob pattern='*.{number}'/><glob pattern='n{number}'/>\
                             <alias type='a/{number}'/><sub-class-of type='b/{}'/><icon name='i{}'/>\
                             <generic-icon name='g{}'/><root-XML namespaceURI='n{number}' localName='l'/>",
                            number % 7,
                            number % 5,
                            number % 3
                        ),
                    )
                })
                .collect(),
        ),
    ];
    let deep = "<f>".repeat(40) + &"</f>".repeat(40);
    let deep = of("text/x-a", &format!("<x xmlns='http://x/'>{deep}</x>"));
    for (name, within) in cases.iter().chain(&[("deep", deep)]) {
        let made = compare(name, &[("a.xml", document(within))]);
        assert_eq!(made.ignored, [], "{name}");
    }
}

#[test(program("update-mime-database"))]
fn later_definitions_add_to_earlier_ones() {
    let prefixed = "<!DOCTYPE m:mime-info [<!ATTLIST m:glob weight CDATA '30' case-sensitive CDATA #FIXED 'true'>]>\n\
                    <m:mime-info xmlns:m='http://www.freedesktop.org/standards/shared-mime-info' xmlns:p='http://p/'>\
                    <m:mime-type type='text/x-a'><m:comment>prefixed</m:comment><m:glob pattern='*.P'/>\
                    <p:other p:a='b'><p:c/></p:other></m:mime-type></m:mime-info>";
    let made = compare(
        "several",
        &[
            (
                "Override.xml",
                document(&of("text/x-a", "<comment>last</comment><icon name='o'/>")),
            ),
            (
                "a.xml",
                document(&of("text/x-a", "<comment>first</comment><icon name='a'/>")),
            ),
            (
                "b.xml",
                document(&of(
                    "text/x-a",
                    "<comment>second</comment><comment xml:lang='fr'>f</comment>",
                )),
            ),
            ("c.txt", "not read".to_owned()),
            ("d.xml", prefixed.to_owned()),
            (
                "e.xml",
                "<!DOCTYPE mime-info [<!ATTLIST mime-info xmlns CDATA \
                 'http://www.freedesktop.org/standards/shared-mime-info'>\
                 <!ATTLIST mime-type type CDATA 'text/x-e'>]>\
                 <mime-info><mime-type/><mime-type type='text/x-a'/></mime-info>"
                    .to_owned(),
            ),
            ("é.xml", document(&of("text/x-é", "<glob pattern='*.é'/>"))),
        ],
    );
    assert_eq!(made.ignored, []);
}

#[test(program("update-mime-database"))]
fn the_database_of_a_distribution_is_the_same() {
    let path = Path::new("/usr/share/mime/packages/freedesktop.org.xml");
    let made = compare(
        "freedesktop",
        &[("freedesktop.org.xml", fs::read_to_string(path).unwrap())],
    );
    assert_eq!(made.ignored, []);
    assert!(made.files.len() > 800, "{}", made.files.len());
}

#[test(program("update-mime-database"))]
fn wrong_rules_of_contents_end_their_type() {
    wrong(
        "rules",
        &[
            ("<magic/>", "<magic> has no <match>"),
            ("<magic priority='x'/>", "<magic> has a wrong priority"),
            ("<magic><a/></magic>", "<a> is not <match>"),
            (
                "<magic><match type='byte' value='1'/></magic>",
                "<match> has no offset",
            ),
            (
                "<magic><match offset='2:1' type='byte' value='1'/></magic>",
                "<match> has the wrong offset \"2:1\"",
            ),
            (
                "<magic><match offset='1:' type='byte' value='1'/></magic>",
                "<match> has the wrong offset \"1:\"",
            ),
            (
                "<magic><match offset='x' type='byte' value='1'/></magic>",
                "<match> has the wrong offset \"x\"",
            ),
            (
                "<magic><match offset='0' value='1'/></magic>",
                "<match> has no type",
            ),
            (
                "<magic><match offset='0' type='16' value='1'/></magic>",
                "<match> has the unknown type 16",
            ),
            (
                "<magic><match offset='0' type='byte'/></magic>",
                "<match> has no value",
            ),
            (
                "<magic><match offset='0' type='byte' value='256'/></magic>",
                "256 is more than fits into 1 bytes",
            ),
            (
                "<magic><match offset='0' type='big16' value='1x'/></magic>",
                "\"1x\" is not a number",
            ),
            (
                "<magic><match offset='0' type='string' value='ab' mask='ff'/></magic>",
                "the mask \"ff\" does not start with 0x",
            ),
            (
                "<magic><match offset='0' type='string' value='ab' mask='0xfg'/></magic>",
                "the mask \"0xfg\" is not hexadecimal",
            ),
            (
                "<magic><match offset='0' type='string' value='ab' mask='0xfffff'/></magic>",
                "the mask 0xfffff is longer than the value",
            ),
        ],
    );
}

#[test(program("update-mime-database"))]
fn what_is_wrong_ends_its_type() {
    wrong(
        "wrong",
        &[
            ("<glob/>", "<glob> has no pattern"),
            ("<glob pattern=''/>", "<glob> has no pattern"),
            (
                "<glob pattern='a' weight='101'/>",
                "<glob> for a has a wrong weight",
            ),
            (
                "<glob pattern='a' weight=''/>",
                "<glob> for a has a wrong weight",
            ),
            (
                "<treemagic priority='-1'/>",
                "<treemagic> has a wrong priority",
            ),
            (
                "<treemagic><treematch/></treemagic>",
                "<treematch> has no path",
            ),
            (
                "<treemagic><treematch path='a' type='any'/></treemagic>",
                "<treematch> has the unknown type any",
            ),
            ("<alias/>", "<alias> has a wrong type, or none"),
            (
                "<sub-class-of type='a'/>",
                "<sub-class-of> has a wrong type, or none",
            ),
            (
                "<root-XML localName='a'/>",
                "<root-XML> has no namespaceURI",
            ),
            (
                "<root-XML namespaceURI='a'/>",
                "<root-XML> has no localName",
            ),
            (
                "<root-XML namespaceURI='' localName=''/>",
                "<root-XML> has an empty namespaceURI and localName",
            ),
            (
                "<root-XML namespaceURI='a b' localName=''/>",
                "<root-XML> has spaces in its namespaceURI or localName",
            ),
        ],
    );
}

/// Compares types with something wrong in them, before and after something right.
fn wrong(name: &str, cases: &[(&str, &str)]) {
    let rest = "<comment>not reached</comment>";
    for (within, expected) in cases {
        let within = format!("<comment>read</comment>{within}{rest}");
        let text = of("text/x-a", &within) + &of("text/x-b", rest);
        let made = compare(name, &[("a.xml", document(&text))]);
        let expected = Ignored {
            file: "packages/a.xml".to_owned(),
            problem: format!("text/x-a: {expected}"),
        };
        assert_eq!(made.ignored, [expected], "{within}");
    }
}

#[test(program("update-mime-database"))]
fn what_is_no_definition_is_left_out() {
    for (text, expected) in [
        (document("<other/>"), "<other> is not <mime-type>"),
        (
            document("<mime-type/>"),
            "<mime-type> has no attribute \"type\"",
        ),
        (
            document("<mime-type type='a'/>"),
            "\"a\" is not the name of a type",
        ),
        (
            document("<mime-type type='a/b/c'/>"),
            "\"a/b/c\" is not the name of a type",
        ),
        (
            "<mime-info/>".to_owned(),
            "line 1: its root element is <mime-info> of the name space none, not <mime-info> of \
             http://www.freedesktop.org/standards/shared-mime-info",
        ),
        (document("</mime-type>"), "line 2: "),
        (document(&of("text/x-a", "")) + "<", "line 4: "),
    ] {
        let made = compare("none", &[("a.xml", text.clone())]);
        let problem = &made.ignored[0].problem;
        assert!(
            made.ignored.len() == 1 && problem.starts_with(expected),
            "{text}: {problem}"
        );
    }
}
