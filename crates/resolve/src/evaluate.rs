//! Whether a dependency holds, and which packages satisfy it, where it is known who offers what.
//!
//! What a leaf is worth is asked of the caller. A leaf is a capability or an expression that one
//! package alone satisfies, with `with` or `without`.

use crate::dependency::{Capability, Dependency, Rich};
use crate::id::Id;

/// Returns whether `dependency` holds where exactly the leaves hold that `is_there` says.
pub(crate) fn holds(dependency: &Dependency, is_there: &dyn Fn(&Dependency) -> bool) -> bool {
    let Dependency::Rich(rich) = dependency else {
        return dependency.simple().is_some_and(is_rpmlib) || is_there(dependency);
    };
    let holds = |part: &Dependency| holds(part, is_there);
    match rich.as_ref() {
        Rich::And(operands) => operands.iter().all(holds),
        Rich::Or(operands) => operands.iter().any(holds),
        Rich::If(a, b, None) => holds(a) || !holds(b),
        Rich::Unless(a, b, None) => holds(a) && !holds(b),
        Rich::If(a, b, Some(c)) | Rich::Unless(c, b, Some(a)) => {
            if holds(b) {
                holds(a)
            } else {
                holds(c)
            }
        }
        Rich::With(_) | Rich::Without(..) => is_there(dependency),
    }
}

/// Returns whether `dependency` holds whatever else is there than what `is_there` says: a leaf that
/// is missing may be added by someone else, so that nothing holds by its absence.
pub(crate) fn holds_anywhere(
    dependency: &Dependency,
    is_there: &dyn Fn(&Dependency) -> bool,
) -> bool {
    let Dependency::Rich(rich) = dependency else {
        return dependency.simple().is_some_and(is_rpmlib) || is_there(dependency);
    };
    let holds = |part: &Dependency| holds_anywhere(part, is_there);
    match rich.as_ref() {
        Rich::And(operands) => operands.iter().all(holds),
        Rich::Or(operands) => operands.iter().any(holds),
        Rich::If(a, _, None) => holds(a),
        Rich::Unless(_, _, None) => false,
        Rich::If(a, b, Some(c)) | Rich::Unless(c, b, Some(a)) => holds(a) && (holds(b) || holds(c)),
        Rich::With(_) | Rich::Without(..) => is_there(dependency),
    }
}

/// Returns the packages of which one alone satisfies `dependency` or a part of it that is not a
/// condition, by number and each once. `offering` tells which offer a capability, in the same order.
pub(crate) fn satisfying(
    dependency: &Dependency,
    offering: &dyn Fn(&Capability) -> Vec<Id>,
) -> Vec<Id> {
    let rich = match dependency {
        Dependency::Simple(capability) => return offering(capability),
        Dependency::Rich(rich) => rich.as_ref(),
    };
    let set = |operand: &Dependency| satisfying(operand, offering);
    let mut found = match rich {
        Rich::And(operands) | Rich::Or(operands) => operands.iter().flat_map(set).collect(),
        Rich::If(a, _, c) | Rich::Unless(a, _, c) => {
            let mut found = set(a);
            found.extend(c.iter().flat_map(set));
            found
        }
        Rich::With(operands) => {
            let mut sets = operands.iter().map(set);
            let mut found = sets.next().unwrap_or_default();
            for set in sets {
                found.retain(|id| set.binary_search(id).is_ok());
            }
            found
        }
        Rich::Without(a, b) => {
            let (mut found, without) = (set(a), set(b));
            found.retain(|id| without.binary_search(id).is_err());
            found
        }
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns whether this is a feature of rpm itself, as `rpmlib(PayloadIsZstd)`. A program that reads the
/// package has it, or refuses the package.
pub(crate) fn is_rpmlib(capability: &Capability) -> bool {
    capability.name.starts_with("rpmlib(")
}
