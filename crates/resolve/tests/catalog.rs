//! Catalogs: what is put in comes out, and damage does no harm.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests are made of must be sound"
)]

use resolve::{
    Catalog, CatalogBuilder, Comparison, Dependency, Error, Kind, Nevra, Options, Pool, Repository,
    Request, Solvable, Wanted, resolve,
};

fn dependencies(texts: &[&str]) -> Vec<Dependency> {
    let parsed = texts.iter().map(|text| Dependency::parse(text).unwrap());
    parsed.collect()
}

fn solvables() -> Vec<Solvable> {
    let a = Solvable {
        nevra: Nevra::parse("a-3:1.0~rc1-2.x86_64").unwrap(),
        provides: dependencies(&["liba.so.1()(64bit)", "a(api) = 1:2-3"]),
        requires: dependencies(&["b >= 1", "/bin/sh", "(c if d else (e or f))"]),
        conflicts: dependencies(&["g < 2", "/usr/bin/h"]),
        obsoletes: dependencies(&["i <= 4"]),
        recommends: dependencies(&["b > 0"]),
        suggests: dependencies(&["k"]),
        supplements: dependencies(&["l", "(m and n)"]),
        enhances: dependencies(&["o"]),
        files: vec!["/usr/bin/a".to_owned(), "/etc/a".to_owned()],
    };
    let b = Solvable {
        nevra: Nevra::parse("b-1-1.noarch").unwrap(),
        provides: dependencies(&["liba.so.1()(64bit)"]),
        files: vec!["/bin/sh".to_owned()],
        ..Solvable::default()
    };
    vec![a, b, Solvable::default()]
}

fn pool(catalog: Catalog) -> Pool {
    let base = vec![Solvable {
        nevra: Nevra::parse("base-1-1.x86_64").unwrap(),
        conflicts: dependencies(&["z"]),
        files: vec!["/usr/bin/h".to_owned()],
        ..Solvable::default()
    }];
    let repository = Repository::new(catalog, 0);
    let options = Options {
        architecture: "x86_64".to_owned(),
        multilib: true,
    };
    Pool::new(base, vec![repository], options)
}

#[test]
fn what_is_put_in_comes_out() {
    let packages = solvables();
    let made = Catalog::of(&packages).unwrap();
    let read = Catalog::decode(made.encode()).unwrap();
    for catalog in [made, read] {
        assert_eq!(catalog.len(), packages.len());
        for (index, package) in packages.iter().enumerate() {
            let found = catalog.solvable(index).unwrap();
            assert_eq!(format!("{found:?}"), format!("{package:?}"));
            assert_eq!(catalog.nevra(index).as_ref(), Some(&package.nevra));
        }
        assert!(catalog.solvable(packages.len()).is_none());
        assert_eq!(catalog.named("b"), [1]);
        assert!(catalog.named("/bin/sh").is_empty());
    }
}

#[test]
fn equal_dependencies_of_a_package_are_kept_once() {
    let mut builder = CatalogBuilder::new();
    let newer = Some((Comparison::GreaterEqual, "1"));
    builder.begin("a", 0, "1", "1", "noarch");
    for _ in 0..1000 {
        builder.dependency(Kind::Requires, "z", None);
        builder.dependency(Kind::Requires, "b", newer);
        builder.dependency(Kind::Provides, "z", None);
        builder.dependency(Kind::Requires, "b", None);
    }
    let before = builder.size();
    builder.begin("b", 0, "1", "1", "noarch");
    assert!(builder.size() < before / 50);
    builder.dependency(Kind::Requires, "z", None);
    builder.dependency(Kind::Requires, "z", None);
    let size = builder.size();
    let catalog = builder.finish().unwrap();
    assert!(catalog.encode().len() <= size);
    let requires = |index| catalog.solvable(index).unwrap().requires;
    // In the order in which they came first.
    assert_eq!(requires(0), dependencies(&["z", "b >= 1", "b"]));
    assert_eq!(requires(1), dependencies(&["z"]));
    let provides = catalog.solvable(0).unwrap().provides;
    assert_eq!(provides, dependencies(&["z"]));
}

/// Adds so many packages from one on, which share words with others before and behind them.
fn add_packages(builder: &mut CatalogBuilder, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let (name, version) = (format!("p{}", number / 2), (number % 7).to_string());
        builder.begin(&name, (number % 2) as u32, &version, "1", "x86_64");
        builder.attach(name.as_bytes());
        for step in [1, 3, 1] {
            let other = format!("p{}", number + step);
            let range = Some((Comparison::Less, &*version)).filter(|_| number % 3 > 0);
            builder.dependency(Kind::Requires, &other, range);
            builder.dependency(Kind::Supplements, "s", None);
            builder.dependency(Kind::Conflicts, &version, None);
        }
        builder.file(&format!("/usr/bin/{}", number % 50));
    }
}

#[test]
fn parts_that_are_appended_make_the_same_catalog() {
    let mut whole = CatalogBuilder::new();
    add_packages(&mut whole, 0..300);
    let whole = whole.finish().unwrap();
    for size in [1, 2, 7, 64, 100, 299, 300] {
        let mut builder = CatalogBuilder::new();
        for start in (0..300).step_by(size) {
            let mut part = CatalogBuilder::new();
            add_packages(&mut part, start..(start + size).min(300));
            builder.append(&mut part);
        }
        builder.append(&mut CatalogBuilder::new());
        let catalog = builder.finish().unwrap();
        assert!(catalog.encode() == whole.encode(), "parts of {size}");
    }
    // What does not fit into a part does not fit into the whole.
    let mut part = CatalogBuilder::new();
    part.begin(&"a".repeat(64 * 1024 + 1), 0, "1", "1", "noarch");
    let mut builder = CatalogBuilder::new();
    builder.append(&mut part);
    assert!(matches!(
        builder.finish(),
        Err(Error::CatalogTooLarge { .. })
    ));
}

#[test]
fn a_builder_takes_what_a_parser_meets_in_any_order() {
    let mut builder = CatalogBuilder::new();
    builder.begin("a", 0, "1", "1", "noarch");
    builder.attach(b"a.rpm");
    builder.dependency(Kind::Requires, "b", Some((Comparison::Less, "2")));
    builder.dependency(Kind::Provides, "x", None);
    builder.dependency(Kind::Requires, "(no dependency", None);
    builder.file("/usr/bin/a");
    builder.begin("b", 1, "1", "1", "noarch");
    builder.begin("c", 0, "1", "1", "noarch");
    builder.attach(b"c.");
    builder.attach(b"rpm");
    let catalog = builder.finish().unwrap();
    let attached = [0, 1, 2, 3].map(|index| catalog.attachment(index));
    let expected = [&b"a.rpm"[..], b"", b"c.rpm"].map(Some);
    assert_eq!(attached[..3], expected);
    assert_eq!(attached[3], None);
    let a = catalog.solvable(0).unwrap();
    let mut requires = dependencies(&["b < 2"]);
    requires.push(Dependency::named("(no dependency"));
    assert_eq!(a.requires, requires);
    assert_eq!(a.provides, dependencies(&["x"]));
    assert_eq!(a.files, ["/usr/bin/a"]);
    assert_eq!(catalog.nevra(0).unwrap().to_string(), "a-1-1.noarch");
    assert_eq!(catalog.nevra(1).unwrap().to_string(), "b-1:1-1.noarch");
    assert!(Catalog::of([]).unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut builder = CatalogBuilder::new();
    builder.file("/usr/bin/a");
    assert!(matches!(
        builder.finish(),
        Err(Error::CatalogTooLarge { .. })
    ));
    let mut builder = CatalogBuilder::new();
    builder.begin(&"a".repeat(64 * 1024 + 1), 0, "1", "1", "noarch");
    assert!(matches!(
        builder.finish(),
        Err(Error::CatalogTooLarge { .. })
    ));
}

#[test]
fn damage_gives_an_error_or_another_answer() {
    let bytes = Catalog::of(&solvables()).unwrap().encode().to_vec();
    for length in 0..bytes.len() {
        let cut = Catalog::decode(&bytes[..length]);
        assert!(matches!(cut, Err(Error::DamagedCatalog { .. })), "{length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Catalog::decode(longer).is_err());
    let mut refused = 0;
    for place in 0..bytes.len() {
        for damage in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= damage;
            let Ok(catalog) = Catalog::decode(damaged) else {
                refused += 1;
                continue;
            };
            for index in 0..catalog.len() {
                catalog.solvable(index);
                catalog.attachment(index);
            }
            let pool = pool(catalog);
            for name in ["a", "liba.so.1()(64bit)", "/bin/sh"] {
                let request = Request {
                    install: vec![Wanted::Text(name.to_owned())],
                    recommends: true,
                    locked: Vec::new(),
                };
                // The answer may be any; that there is one is the point.
                let _ = resolve(&pool, &request);
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn paths_that_primary_metadata_does_not_list_are_named_and_found() {
    let mut a = Solvable {
        nevra: Nevra::parse("a-1-1.noarch").unwrap(),
        requires: dependencies(&["/usr/share/b", "/usr/bin/h", "/usr/share/nowhere"]),
        ..Solvable::default()
    };
    let b = Solvable {
        nevra: Nevra::parse("b-1-1.noarch").unwrap(),
        ..Solvable::default()
    };
    let request = Request {
        install: vec![Wanted::Name("a".to_owned())],
        ..Request::default()
    };
    let first = pool(Catalog::of([&a, &b]).unwrap());
    assert!(resolve(&first, &request).is_err());
    assert_eq!(
        first.unlisted_paths(),
        ["/usr/share/b", "/usr/share/nowhere"]
    );

    a.requires.pop();
    let repository = Repository {
        files: vec![
            (1, "/usr/share/b".to_owned()),
            (7, "/usr/share/b".to_owned()),
        ],
        ..Repository::new(Catalog::of([&a, &b]).unwrap(), 0)
    };
    let base = first.base().to_vec();
    let second = Pool::new(base, vec![repository], Options::default());
    let chosen = resolve(&second, &request).unwrap().chosen;
    let indexes: Vec<usize> = chosen.iter().map(|one| one.package.index).collect();
    assert_eq!(indexes, [0, 1]);
}

#[test]
fn what_is_made_to_be_hard_is_solved_in_bounded_memory() {
    // Each package requires what half of the others provide: 18 million alternatives in all.
    let mut builder = CatalogBuilder::new();
    for number in 0..6000u32 {
        builder.begin(&format!("p{number}"), 0, "1", "1", "noarch");
        let parity = number % 2;
        builder.dependency(Kind::Provides, &format!("x{parity}"), None);
        builder.dependency(Kind::Requires, &format!("x{}", 1 - parity), None);
    }
    let pool = pool(builder.finish().unwrap());
    let request = Request {
        install: vec![Wanted::Name("p0".to_owned())],
        ..Request::default()
    };
    assert_eq!(resolve(&pool, &request).unwrap().chosen.len(), 2);
}
