//! What files need to run on Linux, and where it is found: ELF objects and their libraries, scripts
//! and their interpreters.
//!
//! A program that is started, or a library that is loaded, asks for others by name: an ELF object
//! for libraries (`DT_NEEDED`) and the versions of their symbols, for its loader (`PT_INTERP`); a
//! script for its interpreter (`#!`). [`Object`] and [`Script`] are what one file asks for and
//! offers, [`Linkage`] is that of all files of an image, small enough to be kept beside it.
//!
//! [`Loader`] is the search of the GNU C library's dynamic loader, replayed without running
//! anything: over the files of a [`Linkage`] that lie over those of a base, as an overlay file
//! system merges them. A base is a [`Root`] with files, or [`Capabilities`] of its packages.
//!
//! Files may be hostile. Whatever their bytes are, reading ends with a value or an error, takes
//! bounded memory, and looks only at what the loader would look at: program headers, the dynamic
//! section and what it points to; section headers may be missing or lie. What is not judged:
//! single symbols without a version, `LD_*` variables, audit modules, filter libraries, and the
//! legacy hardware directories (`tls`, `haswell`) of loaders before 2.37.
//!
//! | module | holds |
//! |---|---|
//! | `abi` | class, byte order and machine of an object; its loader's names |
//! | `object`, `dlopen`, `script` | what one file says |
//! | `module` | what a kernel module says |
//! | `inventory` | what an image's files say: [`Linkage`] |
//! | `cache` | `/etc/ld.so.cache` and `/etc/ld.so.conf` |
//! | `root`, `capabilities` | a base |
//! | `view` | paths of an image over a base, links followed |
//! | `loader` | the search, and what it could not find |
//! | `needs` | the judgement of all files of an image |

mod abi;
mod cache;
mod capabilities;
mod dlopen;
mod error;
mod inventory;
mod loader;
mod module;
mod needs;
mod object;
mod root;
mod script;
mod source;
mod view;

pub use abi::Abi;
pub use cache::Cache;
pub use capabilities::Capabilities;
pub use dlopen::{Dlopen, Priority};
pub use error::Error;
pub use inventory::{Entry, Linkage};
pub use loader::{Library, Loader, Problem, Processor, Start};
pub use module::Module;
pub use needs::{Judge, Needs, PROGRAM_DIRECTORIES, Subject};
pub use object::Object;
pub use root::Root;
pub use script::Script;
pub use view::{Base, Cover, Place, View};
