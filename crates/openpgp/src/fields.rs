//! The fields of a packet's body, read in their order.

/// Most bits of a number, as in gpg.
const MAX_NUMBER_BITS: u16 = 16_384;

/// What is left of a body. Whatever ends too early is `None`.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are left.
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    /// Takes all that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn two_bytes(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn four_bytes(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes as many bytes as the byte before them says.
    pub(crate) fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// Takes a number (an "MPI"): its length in bits, then its bytes. Zeros at its front, which
    /// should not be there, are left out.
    pub(crate) fn number(&mut self) -> Option<&'a [u8]> {
        let bits = self.two_bytes().filter(|bits| *bits <= MAX_NUMBER_BITS)?;
        self.take(usize::from(bits).div_ceil(8)).map(without_zeros)
    }
}

/// Returns a number without the zeros at its front.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Writes a number with its length in bits before it.
pub(crate) fn write_number(number: &[u8], bytes: &mut Vec<u8>) {
    let number = without_zeros(number);
    let unused = number.first().map_or(0, |top| top.leading_zeros());
    let bits = (number.len() * 8).saturating_sub(unused as usize);
    let bits = u16::try_from(bits).unwrap_or(u16::MAX);
    bytes.extend(bits.to_be_bytes());
    bytes.extend_from_slice(number);
}
