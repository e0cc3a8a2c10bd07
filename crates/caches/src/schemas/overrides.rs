//! Files that give keys other defaults.

use super::schema::Schemas;
use crate::glib::key_file;
use crate::glib::text;

/// Gives keys the defaults of a file; tells of what it leaves out.
pub(super) fn apply(schemas: &mut Schemas, bytes: &[u8], note: &mut dyn FnMut(String)) {
    let groups = match key_file::read(bytes) {
        Ok(groups) => groups,
        Err(problem) => return note(problem),
    };
    for (group, pairs) in groups {
        let (id, desktop) = match group.split_once(':') {
            Some((id, desktop)) => (id, Some(desktop)),
            None => (group.as_str(), None),
        };
        // What is not installed needs no default.
        let Some(schema) = schemas.get_mut(id) else {
            continue;
        };
        for (name, written) in pairs {
            let Some(key) = schema.key_mut(&name) else {
                note(format!("[{group}] {name}: the schema has no such key"));
                continue;
            };
            if desktop.is_some() && key.translation.is_some() {
                note(format!(
                    "[{group}] {name}: a translated default can't depend on the desktop"
                ));
                continue;
            }
            let value = match text::parse(&written, &key.of) {
                Ok(value) => value,
                Err(problem) => {
                    note(format!("[{group}] {name}: {problem}"));
                    continue;
                }
            };
            match key.problem(&value) {
                Some(problem) => note(format!("[{group}] {name}: the default {problem}")),
                None => key.set_default(desktop, value),
            }
        }
    }
}
