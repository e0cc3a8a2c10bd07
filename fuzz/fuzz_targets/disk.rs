//! A table of partitions, and what kind of image a file is. Checksums are made right first, so that
//! what is behind them is reached. Errors are fine, panics are bugs.

#![no_main]

use std::io::Cursor;

use clients::{Partition, mounted};
use image::disk::{Protected, Table};
use image::{Kind, Section};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    repair(&mut bytes);
    let _ = Kind::of(&mut Cursor::new(&bytes));
    let Ok(Some(table)) = Table::read(&mut Cursor::new(&bytes)) else { return };
    let mut partitions = Vec::new();
    for partition in &table.partitions {
        partitions.push(Partition {
            kind: partition.kind.to_string(),
            label: partition.label.clone(),
            flags: partition.flags,
        });
        let input = Cursor::new(&bytes);
        if let Ok(mut section) = Section::new(input, partition.start, partition.length) {
            let _ = Kind::of(&mut section);
        }
    }
    for architecture in [None, Some("x86-64")] {
        for found in mounted(&partitions, architecture).unwrap_or_default() {
            if let Some(hashes) = found.hashes {
                let protected = Protected {
                    data: &table.partitions[found.index],
                    hashes: &table.partitions[hashes],
                    signature: found.signature.map(|index| &table.partitions[index]),
                };
                let _ = protected.prove(&mut Cursor::new(&bytes));
            }
        }
    }
});

/// Writes the checksums of a table in sectors of 512 bytes.
fn repair(bytes: &mut [u8]) {
    let Some(header) = bytes.get(512..604) else { return };
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap_or_default());
    let (start, length) = (word(72) as usize, (word(80) as usize).saturating_mul(word(84) as usize));
    let entries = start
        .checked_mul(512)
        .and_then(|start| bytes.get(start..start.checked_add(length)?));
    let Some(entries) = entries else { return };
    let sum = checksum(entries).to_le_bytes();
    bytes[512 + 88..512 + 92].copy_from_slice(&sum);
    bytes[512 + 16..512 + 20].fill(0);
    let sum = checksum(&bytes[512..604]).to_le_bytes();
    bytes[512 + 16..512 + 20].copy_from_slice(&sum);
}

/// CRC-32, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}
