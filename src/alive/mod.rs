//! What an image needs to be alive on its host besides its files: what an installation would have
//! made, read from headers and scriptlets, and made as data. Nothing of a package is run.

pub mod accounts;
pub mod aliases;
pub mod caches;
pub mod effects;
pub mod installation;
pub mod merge_unit;
pub mod places;
pub mod restarts;
mod scriptlets;
pub mod services;
mod shell;
pub mod tmpfiles;
pub mod unit_file;
