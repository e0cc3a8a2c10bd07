//! The tables of a SQLite database, row by row.
//!
//! ```text
//! page    [100 B file header, page 1 only] kind free count start fragments [right child]
//!         count × offset of a cell (16 bits)  …  cells
//! inner   left child (32 bits), number of the row
//! leaf    payload length, number of the row, payload [first overflow page (32 bits)]
//! payload header length, kind of each column … | value of each column …
//! ```
//!
//! Lengths, row numbers and kinds are of variable length: 7 bits a byte, most significant first,
//! 8 bits in a ninth byte. A payload that does not fit in the page continues in a chain of pages,
//! each of which starts with the number of the next.
//!
//! No page may be used twice, in all walks together, and the numbers of the rows must grow. That
//! ends every circle, keeps one cell from being many rows, and so bounds what can be read by the
//! length of the database.

use super::MAX_BLOB;
use super::pages::{HEADER, Pages};
use super::wal::number;
use crate::error::Error;

/// Kind of a page that has rows.
const LEAF: u8 = 13;
/// Kind of a page that has children.
const INNER: u8 = 5;
/// Depth of a tree that no database reaches: 2³¹ pages with two children each.
const MAX_DEPTH: usize = 32;
/// Most columns that are read of a row.
const MAX_COLUMNS: usize = 16;

/// Walks tables and remembers which pages were used.
pub(super) struct Tables<'a> {
    pages: &'a Pages<'a>,
    /// For each page, whether it was used.
    used: Vec<bool>,
}

/// A row of a table.
pub(super) struct Row {
    /// The row's number.
    pub(super) number: i64,
    /// The page where it starts.
    page: u32,
    payload: Vec<u8>,
    columns: Vec<Column>,
}

/// Where the value of a column stands in the payload, and what it is.
struct Column {
    kind: u64,
    start: usize,
    end: usize,
}

impl<'a> Tables<'a> {
    pub(super) fn new(pages: &'a Pages<'a>) -> Self {
        let used = vec![false; pages.count() as usize + 1];
        Self { pages, used }
    }

    /// Hands out all rows of the table with this root.
    pub(super) fn walk(
        &mut self,
        root: u32,
        take: &mut dyn FnMut(&Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Pages that are still to be read, with their depth; the last comes next.
        let mut pending = vec![(root, 1)];
        let mut last = None;
        while let Some((page_number, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                let reason = format!("the tree is deeper than {MAX_DEPTH} pages");
                return Err(self.pages.damaged(page_number, reason));
            }
            let page = self.page(page_number)?;
            let node = Node::parse(&page, page_number, self.pages.usable())
                .map_err(|reason| self.pages.damaged(page_number, reason))?;
            if let Some(right) = node.right {
                pending.push((right, depth + 1));
                let children = node.cells.iter().rev();
                pending.extend(children.map(|cell| (number(&page, *cell), depth + 1)));
                continue;
            }
            for cell in node.cells {
                let row = self.row(&page, page_number, cell)?;
                if let Some(last) = last.filter(|last| *last >= row.number) {
                    return Err(row.wrong(self.pages, &format!("it follows row {last}")));
                }
                last = Some(row.number);
                take(&row)?;
            }
        }
        Ok(())
    }

    /// Reads a page that has not been used before.
    fn page(&mut self, page_number: u32) -> Result<Vec<u8>, Error> {
        let page = self.pages.read(page_number)?;
        match self.used.get_mut(page_number as usize) {
            Some(used) if !*used => *used = true,
            _ => {
                let reason = "the page is used twice".to_owned();
                return Err(self.pages.damaged(page_number, reason));
            }
        }
        Ok(page)
    }

    /// Reads the row of a cell, with what stands in other pages.
    fn row(&mut self, page: &[u8], page_number: u32, cell: usize) -> Result<Row, Error> {
        let pages = self.pages;
        let usable = pages.usable();
        let wrong =
            |reason: &str| pages.damaged(page_number, format!("cell at offset {cell}: {reason}"));
        let page = page.get(..usable).unwrap_or_default();
        let mut at = cell;
        let length = variable(page, &mut at).ok_or_else(|| wrong("no length"))?;
        let row_number = variable(page, &mut at).ok_or_else(|| wrong("no number of the row"))?;
        if length > MAX_BLOB {
            let reason = format!("payload of {length} bytes, {MAX_BLOB} are allowed");
            return Err(wrong(&reason));
        }
        let length = usize::try_from(length).map_err(|_| wrong("the payload is too long"))?;
        let local = local_length(length, usable);
        let here = page
            .get(at..at + local)
            .ok_or_else(|| wrong("the payload does not fit in the page"))?;
        let mut payload = here.to_vec();
        if local < length {
            let mut next = page
                .get(at + local..)
                .and_then(<[u8]>::first_chunk)
                .map(|next| u32::from_be_bytes(*next))
                .ok_or_else(|| wrong("no overflow page"))?;
            while payload.len() < length {
                if next == 0 {
                    let reason = format!("payload ends after {} of {length} bytes", payload.len());
                    return Err(wrong(&reason));
                }
                let overflow = self.page(next)?;
                let content = overflow.get(4..usable).unwrap_or_default();
                let missing = (length - payload.len()).min(content.len());
                payload.extend_from_slice(content.get(..missing).unwrap_or_default());
                next = number(&overflow, 0);
            }
        }
        let columns =
            columns(&payload).ok_or_else(|| wrong("the columns are not those expected"))?;
        Ok(Row {
            // The number is a signed one in two's complement.
            number: row_number.cast_signed(),
            page: page_number,
            payload,
            columns,
        })
    }
}

/// What a page of a table says about itself.
struct Node {
    /// Offsets of the cells.
    cells: Vec<usize>,
    /// The last child, of a page with children.
    right: Option<u32>,
}

impl Node {
    fn parse(page: &[u8], page_number: u32, usable: usize) -> Result<Self, String> {
        let start = if page_number == 1 { HEADER } else { 0 };
        let page = page.get(..usable).unwrap_or(page);
        let (cells_start, right, least) = match page.get(start) {
            Some(&LEAF) => (start + 8, None, 3),
            Some(&INNER) => (start + 12, Some(number(page, start + 8)), 5),
            kind => {
                return Err(format!(
                    "kind {} of the page, {INNER} and {LEAF} are those of a table",
                    kind.copied().unwrap_or_default()
                ));
            }
        };
        let count = usize::from(short(page, start + 3));
        let cells_end = cells_start + 2 * count;
        if cells_end + least * count > page.len() {
            return Err(format!("{count} cells do not fit in the page"));
        }
        let cells: Vec<usize> = (cells_start..cells_end)
            .step_by(2)
            .map(|offset| usize::from(short(page, offset)))
            .collect();
        match cells
            .iter()
            .find(|cell| **cell < cells_end || **cell + least > page.len())
        {
            Some(cell) => Err(format!("a cell at offset {cell} is outside of the cells")),
            None => Ok(Self { cells, right }),
        }
    }
}

impl Row {
    /// Returns a column that is text, as bytes.
    pub(super) fn text(&self, column: usize) -> Option<&[u8]> {
        let column = self.columns.get(column)?;
        let is_text = column.kind >= 13 && column.kind % 2 == 1;
        self.payload
            .get(column.start..column.end)
            .filter(|_| is_text)
    }

    /// Returns a column that is a blob.
    pub(super) fn blob(&self, column: usize) -> Option<&[u8]> {
        let column = self.columns.get(column)?;
        let is_blob = column.kind >= 12 && column.kind % 2 == 0;
        self.payload
            .get(column.start..column.end)
            .filter(|_| is_blob)
    }

    /// Returns a column that is an integer.
    pub(super) fn integer(&self, column: usize) -> Option<i64> {
        let column = self.columns.get(column)?;
        match column.kind {
            1..=6 => {
                let bytes = self.payload.get(column.start..column.end)?;
                let negative = bytes.first().is_some_and(|first| *first >= 0x80);
                let start = if negative { -1 } else { 0 };
                Some(
                    bytes
                        .iter()
                        .fold(start, |value: i64, byte| value << 8 | i64::from(*byte)),
                )
            }
            8 => Some(0),
            9 => Some(1),
            _ => None,
        }
    }

    /// Returns the error that something is wrong with the row.
    pub(super) fn wrong(&self, pages: &Pages<'_>, reason: &str) -> Error {
        pages.damaged(self.page, format!("row {}: {reason}", self.number))
    }
}

/// Returns how much of a payload stands in the page itself, by the rule in section 1.6 of the
/// description of the format.
fn local_length(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let balanced = least + (length - least) % (usable - 4);
    if balanced <= most { balanced } else { least }
}

/// Returns where the first columns of a payload stand, if they all lie inside it.
fn columns(payload: &[u8]) -> Option<Vec<Column>> {
    let mut at = 0;
    let header_length = usize::try_from(variable(payload, &mut at)?).ok()?;
    let header = payload.get(..header_length)?;
    let mut columns = Vec::new();
    let mut start = header_length;
    while at < header.len() && columns.len() < MAX_COLUMNS {
        let kind = variable(header, &mut at)?;
        let width = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => (kind - 12) / 2,
        };
        let end = start.checked_add(usize::try_from(width).ok()?)?;
        payload.get(start..end)?;
        columns.push(Column { kind, start, end });
        start = end;
    }
    Some(columns)
}

/// Reads a number of variable length and moves behind it.
fn variable(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for position in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if position == 8 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Returns the 16-bit number at `offset`, 0 where there is none.
fn short(bytes: &[u8], offset: usize) -> u16 {
    let number = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    number.map_or(0, |number| u16::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_numbers_are_read_to_their_end() {
        for (bytes, value, length) in [
            (&[0x00][..], 0, 1),
            (&[0x7f, 0xff], 127, 1),
            (&[0x81, 0x00], 128, 2),
            (&[0xff, 0xff, 0x7f], (1 << 21) - 1, 3),
            (&[0xff; 9], u64::MAX, 9),
        ] {
            let mut at = 0;
            assert_eq!(variable(bytes, &mut at), Some(value), "{bytes:x?}");
            assert_eq!(at, length, "{bytes:x?}");
        }
        for bytes in [&[][..], &[0x80], &[0xff; 8]] {
            assert_eq!(variable(bytes, &mut 0), None, "{bytes:x?}");
        }
    }

    #[test]
    fn integers_have_their_sign() {
        for (kind, bytes, value) in [
            (1, &[0xff][..], Some(-1)),
            (1, &[0x7f], Some(127)),
            (2, &[0x01, 0x00], Some(256)),
            (3, &[0x80, 0x00, 0x00], Some(-(1 << 23))),
            (5, &[0, 0, 0, 0, 1, 2], Some(258)),
            (6, &[0x80, 0, 0, 0, 0, 0, 0, 0], Some(i64::MIN)),
            (8, &[], Some(0)),
            (9, &[], Some(1)),
            (7, &[0; 8], None),
            (0, &[], None),
            (14, &[1], None),
        ] {
            let payload = [&[2, kind], bytes].concat();
            let columns = columns(&payload).unwrap();
            let row = Row {
                number: 1,
                page: 1,
                payload,
                columns,
            };
            assert_eq!(row.integer(0), value, "kind {kind}");
        }
    }

    #[test]
    fn so_many_columns_are_read() {
        for (stored, read) in [(15, 15), (16, 16), (17, 16)] {
            let payload = [&[stored + 1][..], &vec![0; usize::from(stored)]].concat();
            assert_eq!(columns(&payload).unwrap().len(), read, "{stored}");
        }
    }

    #[test]
    fn columns_lie_inside_of_their_payload() {
        for payload in [
            &[][..],
            &[5, 1],
            &[2, 1],
            &[2, 10],
            &[3, 14, 14, 1],
            &[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(columns(payload).is_none(), "{payload:x?}");
        }
    }
}
