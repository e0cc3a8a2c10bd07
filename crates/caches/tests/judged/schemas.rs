//! Schemas of settings, judged by glib-compile-schemas.

use std::collections::BTreeSet;
use std::fs;

use caches::{Contents, Made, schemas};

use super::{Scratch, run};

/// Files with something of everything.
const GOOD: &[(&str, &str)] = &[
    (
        "org.x.enums.xml",
        "<schemalist>
           <enum id='org.x.Side'>
             <value nick='left' value='0'/><value nick='right' value='1'/>
             <value nick='far-away' value='-0x10'/><value nick='very-far-away' value='017'/>
           </enum>
           <flags id='org.x.Parts'>
             <value nick='none' value='0'/><value nick='one' value='1'/>
             <value nick='two' value='2'/><value nick='last' value='0x80000000'/>
           </flags>
         </schemalist>",
    ),
    (
        "org.x.gschema.xml",
        r#"<?xml version="1.0" encoding="UTF-8"?>
         <!DOCTYPE schemalist SYSTEM "gschema.dtd">
         <schemalist gettext-domain="x" xml:lang="en">
           <!-- A schema with a key of each kind. -->
           <schema id="org.x" path="/org/x/">
             <key name="side" enum="org.x.Side">
               <default>'left'</default>
               <aliases><alias value="port" target="left"/></aliases>
               <summary>A &lt;side&gt;</summary><description>Of <![CDATA[<x>]]></description>
             </key>
             <key name="parts" flags="org.x.Parts"><default>['one', 'last']</default></key>
             <key name="size" type="i"><range min="-5" max="0x20"/><default>7</default></key>
             <key name="share" type="d"><default>0.5</default><range max="1.0"/></key>
             <key name="name" type="s">
               <choices><choice value="a"/><choice value="a-much-longer-choice"/></choices>
               <aliases><alias value="b" target="a"/></aliases>
               <default>'a'</default>
             </key>
             <key name="names" type="as"><default>['x', "it's", 'ä']</default></key>
             <key name="greeting" type="s">
               <default l10n="messages" context="a context"> 'Hello' </default>
             </key>
             <key name="first-day" type="i"><default l10n="time">1</default></key>
             <key name="pair" type="(ii)"><default>(1, 2)</default></key>
             <key name="pairs" type="a(ss)"><default>[('xkb', 'us'), ('', 'b')]</default></key>
             <key name="any" type="a{sv}"><default>{'a': &lt;1>, 'b': &lt;[true]>, 'c': &lt;@as []>}</default></key>
             <key name="variant" type="v"><default><![CDATA[<(1, 'x', uint16 3, [just 2.5, nothing])>]]></default></key>
             <key name="maybe" type="ms"><default>nothing</default></key>
             <key name="unit" type="()"><default>()</default></key>
             <key name="bytes" type="ay"><default>b'x\001'</default></key>
             <key name="large" type="t"><default>18446744073709551615</default></key>
             <key name="long" type="as"><default>['0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789', '0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789', '0123456789012345678901234567890123456789012345678901234567890123456789']</default></key>
             <x:note>Of nobody's <concern/></x:note>
             <child name="sub" schema="org.x.sub"/>
             <child name="missing" schema="org.x.missing"/>
           </schema>
           <schema id="org.x.sub" path="/org/x/sub/" gettext-domain="other">
             <key name="on" type="b"><default>true</default></key>
             <key name="off" type="b"><default l10n="messages">false</default></key>
           </schema>
         </schemalist>"#,
    ),
    (
        "org.y.gschema.xml",
        "<schemalist>
           <schema id='org.y.base'>
             <key name='a' type='i'><default>1</default></key>
             <key name='b' type='u'><range min='3'/><default>4</default></key>
             <key name='c' enum='org.x.Side'><default>'right'</default></key>
           </schema>
           <schema id='org.y.derived' extends='org.y.base' path='/org/y/'>
             <override name='b'>5</override>
             <key name='d' type='s'><default>''</default></key>
           </schema>
           <schema id='org.y.further' extends='org.y.base' gettext-domain='y'>
             <override name='c' l10n='messages'>'left'</override>
           </schema>
           <schema id='org.y.list' list-of='org.y.base' path='/org/y/list:/'>
             <child name='first' schema='org.y.base'/>
           </schema>
           <schema id='org.y.list2' list-of='org.y.further' extends='org.y.list0'><child name='z' schema='q'/></schema>
         </schemalist>"
    ),
    (
        "10_x.gschema.override",
        "# Of a distribution\n[org.x]\nside='right'\nsize = 3\nnames=['q']\n\n[org.x:GNOME]\nsize=1\n\
         [org.x:Unity;KDE]\nsize=2\nname='a'\n[org.not.there]\nx=1\n",
    ),
    ("20_x.gschema.override", "[org.x]\nsize=4\ngreeting='Hi'\n[org.x:GNOME]\nside='left'\n"),
    ("notes.txt", "nothing"),
];

/// Files that are left out as a whole.
const WRONG: &[(&str, &str)] = &[
    ("not-xml", "<schemalist>"),
    ("no-root", "\n"),
    ("entity", "<schemalist>&x;</schemalist>"),
    ("root", "<schemas/>"),
    ("text", "<schemalist>x</schemalist>"),
    ("element", "<schemalist><x/></schemalist>"),
    (
        "attribute",
        "<schemalist><schema id='w' x='1'/></schemalist>",
    ),
    ("no-id", "<schemalist><schema/></schemalist>"),
    (
        "twice",
        "<schemalist><schema id='w'/><schema id='w'/></schemalist>",
    ),
    ("again", "<schemalist><schema id='org.x'/></schemalist>"),
    (
        "path",
        "<schemalist><schema id='w' path='/w'/></schemalist>",
    ),
    (
        "extends",
        "<schemalist><schema id='w' extends='nothing'/></schemalist>",
    ),
    (
        "list",
        "<schemalist><schema id='w' list-of='org.x'/></schemalist>",
    ),
    (
        "list-path",
        "<schemalist><schema id='v'/><schema id='w' list-of='v' path='/w/'/></schemalist>",
    ),
    (
        "list-key",
        "<schemalist><schema id='v'/><schema id='w' list-of='v'>KEY</schema></schemalist>",
    ),
    (
        "of-path",
        "<schemalist><schema id='w' extends='org.x'/></schemalist>",
    ),
    ("no-enum", "<schemalist><enum id='e'/></schemalist>"),
    (
        "nick",
        "<schemalist><enum id='e'><value nick='e' value='1'/></enum></schemalist>",
    ),
    (
        "number",
        "<schemalist><enum id='e'><value nick='ee' value='1x'/></enum></schemalist>",
    ),
    (
        "large",
        "<schemalist><enum id='e'><value nick='ee' value='2147483648'/></enum></schemalist>",
    ),
    (
        "same",
        "<schemalist><enum id='e'><value nick='ee' value='1'/><value nick='ef' value='1'/></enum></schemalist>",
    ),
    (
        "bits",
        "<schemalist><flags id='e'><value nick='ee' value='3'/></flags></schemalist>",
    ),
];

/// Keys that are wrong, in a schema `w`.
const WRONG_KEYS: &[&str] = &[
    "<key name='a' type='i'/>",
    "<key name='a' type='i'><default>x</default></key>",
    "<key name='a' type='i'><default>1</default><default>2</default><x/></key>",
    "<key name='A' type='i'><default>1</default></key>",
    "<key name='a--b' type='i'><default>1</default></key>",
    "<key name='a-' type='i'><default>1</default></key>",
    "<key name='a' type='ii'><default>1</default></key>",
    "<key name='a'><default>1</default></key>",
    "<key name='a' type='s' enum='org.x.Side'><default>'left'</default></key>",
    "<key name='a' enum='org.x.None'><default>'left'</default></key>",
    "<key name='a' enum='org.x.Side'><default>'up'</default></key>",
    "<key name='a' enum='org.x.Side'><choices><choice value='b'/></choices><default>'left'</default></key>",
    "<key name='a' flags='org.x.Parts'><default>['three']</default></key>",
    "<key name='a' type='i'><default>9</default><range max='8'/></key>",
    "<key name='a' type='i'><range max='8'/><default>9</default></key>",
    "<key name='a' type='i'><range min='9' max='8'/><default>9</default></key>",
    "<key name='a' type='s'><range max='8'/><default>''</default></key>",
    "<key name='a' type='s'><default>''</default><choices><choice value='b'/></choices></key>",
    "<key name='a' type='s'><choices/><default>''</default></key>",
    "<key name='a' type='i'><choices><choice value='b'/></choices><default>1</default></key>",
    "<key name='a' type='s'><aliases><alias value='b' target='c'/></aliases><default>''</default></key>",
    "<key name='a' enum='org.x.Side'><aliases><alias value='left' target='right'/></aliases><default>'left'</default></key>",
    "<key name='a' enum='org.x.Side'><aliases><alias value='b' target='c'/></aliases><default>'left'</default></key>",
    "<key name='a' type='s'><default l10n='money'>''</default></key>",
    "<key name='a' type='s'><default context='x'>''</default></key>",
    "<key name='a' type='s'><default l10n='messages'>''</default></key>",
    "<key name='a' type='i'><default>1</default></key><key name='a' type='i'><default>1</default></key>",
    "<child name='a' schema='b'/><child name='a' schema='b'/>",
    "<child name='a'/>",
    "<override name='a'>1</override>",
    "<summary/>",
];

/// Overrides of which something is left out.
const WRONG_OVERRIDES: &[&str] = &[
    "side='left'\n",
    "[org.x]\nside\n",
    "[org.x]\nnothing=1\n",
    "[org.x]\nside='up'\n",
    "[org.x]\nsize=99\n",
    "[org.x]\nsize=x\n",
    "[org.x:GNOME]\ngreeting='Hi'\n",
];

/// Compiles sources as glib-compile-schemas does: its database, and the files that it complains of.
fn judged(sources: &Contents, name: &str) -> (Vec<u8>, BTreeSet<String>) {
    let scratch = Scratch::new(name);
    for (name, bytes) in sources {
        fs::write(scratch.path().join(name), bytes).unwrap();
    }
    let output = run("glib-compile-schemas", &[scratch.path()]);
    let said = String::from_utf8(output.stderr).unwrap();
    let is_named = |name: &&String| said.contains(&format!("/{name}"));
    let named = sources.keys().filter(is_named).cloned().collect();
    let compiled = fs::read(scratch.path().join("gschemas.compiled"));
    (compiled.unwrap_or_default(), named)
}

fn of(files: &[(&str, &str)]) -> Contents {
    let files = files.iter();
    files
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

/// Compiles with both, and returns the files that both complain of.
fn compare(sources: &Contents, name: &str) -> BTreeSet<String> {
    let Made { files, ignored } = schemas::make(sources);
    let (judged, named) = judged(sources, name);
    let ignored: BTreeSet<_> = ignored.into_iter().map(|one| one.file).collect();
    assert_eq!(ignored, named, "{name}");
    let made = files.get(schemas::NAME).cloned().unwrap_or_default();
    assert!(made == judged, "{name}: other bytes");
    named
}

#[test(program("glib-compile-schemas"))]
fn schemas_are_compiled_to_the_same_bytes() {
    let mut sources = of(GOOD);
    // The last of its schemas extends what is not there.
    assert_eq!(compare(&sources, "whole").len(), 1);
    let list = "org.y.gschema.xml";
    let text = String::from_utf8(sources[list].clone()).unwrap();
    let lines = text.lines().filter(|line| !line.contains("list0"));
    sources.insert(list.to_owned(), lines.collect::<String>().into_bytes());
    assert!(compare(&sources, "good").is_empty());

    // Tables of every size, and some that were larger before.
    let key = |number: usize| {
        format!("<key name='key-{number}' type='i'><default>{number}</default></key>")
    };
    for count in [1, 6, 7, 8, 14, 15, 31, 62, 125, 400, 2000] {
        let keys: String = (0..count).map(key).collect();
        let schemas = (0..count).map(|number| {
            let own = if number == 0 {
                &keys
            } else {
                "<key name='k' type='b'><default>true</default></key>"
            };
            format!("<schema id='org.z{number}'>{own}</schema>")
        });
        let schemas: String = schemas.collect();
        let many = format!("<schemalist>{schemas}</schemalist>");
        let gone = format!(
            "<schemalist>{}<x/></schemalist>",
            schemas.replace("org.z", "org.a")
        );
        let sources = of(&[("a.gschema.xml", &gone), ("b.gschema.xml", &many)]);
        assert_eq!(compare(&sources, &format!("many-{count}")).len(), 1);
    }
}

#[test(program("glib-compile-schemas"))]
fn what_is_wrong_is_left_out_and_named() {
    let key = "<key name='a' type='i'><default>1</default></key>";
    let mut wrong: Vec<(String, String)> = (WRONG.iter())
        .map(|(name, text)| (format!("z.{name}.gschema.xml"), text.replace("KEY", key)))
        .collect();
    for (keys, number) in WRONG_KEYS.iter().zip(0..) {
        let text = format!("<schemalist><schema id='w{number}'>{keys}</schema></schemalist>");
        wrong.push((format!("z.key-{number}.gschema.xml"), text));
    }
    let shadow = format!(
        "<schemalist><schema id='s1'>{key}</schema><schema id='s2' extends='s1'>{key}</schema></schemalist>"
    );
    wrong.push(("z.shadow.gschema.xml".to_owned(), shadow));
    for (text, number) in WRONG_OVERRIDES.iter().zip(0..) {
        wrong.push((format!("30_{number}.gschema.override"), (*text).to_owned()));
    }
    let mut sources = of(GOOD);
    sources.remove("org.y.gschema.xml");
    for (name, text) in &wrong {
        sources.insert(name.clone(), text.clone().into_bytes());
    }
    let found = compare(&sources, "wrong");
    let missed: Vec<_> = (wrong.iter().map(|(name, _)| name))
        .filter(|name| !found.contains(*name))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}
