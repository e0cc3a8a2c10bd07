//! Bytes to compress, for tests.

/// Returns numbers that look like chance and are always the same.
fn chance() -> impl Iterator<Item = u32> {
    let mut state = 1_u64;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        Some((state >> 33) as u32)
    })
}

/// Returns bytes that don't compress.
pub(super) fn noise(length: usize) -> Vec<u8> {
    chance().map(|number| number as u8).take(length).collect()
}

/// Returns words between blanks.
pub(super) fn text(length: usize) -> Vec<u8> {
    let word = |number: u32| format!("{number:o} ").into_bytes();
    chance()
        .map(|number| number % 3000)
        .flat_map(word)
        .take(length)
        .collect()
}

/// Returns text of two bytes a letter.
pub(super) fn utf16(length: usize) -> Vec<u8> {
    let letters = text(length).into_iter();
    letters
        .flat_map(|letter| [letter, 4])
        .take(length)
        .collect()
}

/// Returns a table of 32-bit words: an offset that grows, and flags.
pub(super) fn words(length: usize) -> Vec<u8> {
    let mut offset = 0;
    let word = |number: u32| {
        offset += number % 40;
        (offset | [3, 9, 17, 80, 90][number as usize % 5] << 24).to_le_bytes()
    };
    chance().flat_map(word).take(length).collect()
}
