//! How many values a JSON text has, which bounds what they take in memory: an empty object is two
//! bytes of text, and two hundred of memory.

use super::Error;

/// The most objects in a manifest: one for each package, and for each file that is linked.
pub(crate) const MAX_OBJECTS: usize = 1 << 17;
/// The most values in a manifest, without the first of each list and object.
pub(crate) const MAX_VALUES: usize = 1 << 19;

/// A count of the values in a text that is looked at piece by piece.
#[derive(Default)]
pub(crate) struct Census {
    objects: usize,
    values: usize,
    within: Within,
}

/// What the next byte belongs to.
#[derive(Default)]
enum Within {
    #[default]
    Structure,
    String,
    /// A backslash was before it.
    Escape,
}

impl Census {
    /// Looks at the next piece of the text.
    pub(crate) fn count(&mut self, piece: &[u8]) {
        for byte in piece {
            self.within = match (&self.within, byte) {
                (Within::Structure, b'"') => Within::String,
                (Within::Structure, _) => {
                    self.objects += usize::from(*byte == b'{');
                    self.values += usize::from(*byte == b',');
                    Within::Structure
                }
                (Within::String, b'"') => Within::Structure,
                (Within::String, b'\\') => Within::Escape,
                (Within::String | Within::Escape, _) => Within::String,
            };
        }
    }

    /// Refuses a text with more than any image's manifest has.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.objects > MAX_OBJECTS {
            return Err(Error::TooMany(MAX_OBJECTS, "objects"));
        }
        if self.values > MAX_VALUES {
            return Err(Error::TooMany(MAX_VALUES, "values"));
        }
        Ok(())
    }
}
