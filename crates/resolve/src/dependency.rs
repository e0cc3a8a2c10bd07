//! Dependencies as values: one capability, or a rich (boolean) expression over capabilities.
//!
//! The text form is RPM's: `name`, `name >= 1:2-3`, `/usr/bin/sh`, `(a or b)`, `(a if b else c)`.

use std::fmt;

use crate::error::Error;
use crate::evr::{Comparison, Evr, overlap};

/// What a package provides, requires, conflicts with and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// One capability.
    Simple(Capability),
    /// An expression in parentheses.
    Rich(Box<Rich>),
}

/// A name, and the versions of it that are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    /// A package's name, `libfoo.so.1()(64bit)`, an absolute path, or any other word.
    pub name: String,
    /// The range of versions; none means every version.
    pub range: Option<(Comparison, Evr)>,
}

/// A rich dependency. The operators are those of rpm 4.13 and later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rich {
    /// All of them: `(a and b)`.
    And(Vec<Dependency>),
    /// At least one of them: `(a or b)`.
    Or(Vec<Dependency>),
    /// The first if the second holds, and the third, if given, if it doesn't: `(a if b else c)`.
    If(Dependency, Dependency, Option<Dependency>),
    /// The first if the second doesn't hold, and the third, if given, if it does:
    /// `(a unless b else c)`.
    Unless(Dependency, Dependency, Option<Dependency>),
    /// One package that satisfies all of them: `(a with b)`.
    With(Vec<Dependency>),
    /// A package that satisfies the first and not the second: `(a without b)`.
    Without(Dependency, Dependency),
}

impl Dependency {
    /// Reads a dependency in RPM's text form.
    ///
    /// # Errors
    ///
    /// If a name, an operator or a parenthesis is missing or too much, if operators are mixed
    /// that RPM doesn't mix, or if the expression is nested too deep or names too much.
    pub fn parse(text: &str) -> Result<Self, Error> {
        crate::parse::parse(text)
    }

    /// Returns a dependency on every version of `name`, which is taken as it is.
    pub fn named(name: &str) -> Self {
        Self::Simple(Capability {
            name: name.to_owned(),
            range: None,
        })
    }

    /// Returns the capability, if it is not a rich dependency.
    pub fn simple(&self) -> Option<&Capability> {
        match self {
            Self::Simple(capability) => Some(capability),
            Self::Rich(_) => None,
        }
    }
}

impl Capability {
    /// Returns whether an equal name is offered in a version that is meant.
    ///
    /// A provides without a version offers every version, as in librpm (and unlike dpkg).
    pub fn satisfied_by(&self, provide: &Self) -> bool {
        self.name == provide.name
            && match (&self.range, &provide.range) {
                (Some((sense_a, a)), Some((sense_b, b))) => overlap((*sense_a, a), (*sense_b, b)),
                _ => true,
            }
    }

    /// Returns whether the package `name` in version `evr` is meant.
    pub(crate) fn matches_package(&self, name: &str, evr: &Evr) -> bool {
        self.name == name
            && match &self.range {
                Some((sense, wanted)) => overlap((*sense, wanted), (Comparison::Equal, evr)),
                None => true,
            }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some((comparison, evr)) = &self.range {
            write!(f, " {comparison} {evr}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(capability) => capability.fmt(f),
            Self::Rich(rich) => rich.fmt(f),
        }
    }
}

impl fmt::Display for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chain = |operator: &str, operands: &[Dependency]| {
            for (number, operand) in operands.iter().enumerate() {
                match number {
                    0 => write!(f, "({operand}")?,
                    _ => write!(f, " {operator} {operand}")?,
                }
            }
            f.write_str(")")
        };
        match self {
            Self::And(operands) => chain("and", operands),
            Self::Or(operands) => chain("or", operands),
            Self::With(operands) => chain("with", operands),
            Self::Without(a, b) => write!(f, "({a} without {b})"),
            Self::If(a, b, None) => write!(f, "({a} if {b})"),
            Self::If(a, b, Some(c)) => write!(f, "({a} if {b} else {c})"),
            Self::Unless(a, b, None) => write!(f, "({a} unless {b})"),
            Self::Unless(a, b, Some(c)) => write!(f, "({a} unless {b} else {c})"),
        }
    }
}
