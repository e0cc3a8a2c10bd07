//! What GLib's own formats have in common: values and their types, key files, and the order in which
//! its tables of hashes go.

pub(crate) mod gvdb;
pub(crate) mod hash_table;
pub(crate) mod key_file;
pub(crate) mod text;
pub(crate) mod types;
pub(crate) mod value;
