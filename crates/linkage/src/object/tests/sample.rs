//! ELF files made here, of either class and byte order: one segment that holds all.

/// What is to be in the file. Versions that begin with `?` are weak.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample<'a> {
    pub(super) bits: u8,
    pub(super) big_endian: bool,
    pub(super) kind: u16,
    pub(super) interpreter: Option<&'a str>,
    pub(super) needed: &'a [&'a str],
    pub(super) needs: &'a [(&'a str, &'a [&'a str])],
    pub(super) soname: Option<&'a str>,
    pub(super) defines: &'a [&'a str],
    pub(super) runpath: Option<&'a str>,
    pub(super) flags_1: u64,
    pub(super) note: &'a str,
}

/// The address of the file's first byte.
const ADDRESS: usize = 0x40_0000;

impl Sample<'_> {
    fn half(&self, value: usize) -> Vec<u8> {
        let value = value as u16;
        match self.big_endian {
            true => value.to_be_bytes().to_vec(),
            false => value.to_le_bytes().to_vec(),
        }
    }

    fn word(&self, value: usize) -> Vec<u8> {
        let value = value as u32;
        match self.big_endian {
            true => value.to_be_bytes().to_vec(),
            false => value.to_le_bytes().to_vec(),
        }
    }

    /// A number as wide as an address.
    fn wide(&self, value: usize) -> Vec<u8> {
        match (self.bits, self.big_endian) {
            (32, _) => self.word(value),
            (_, true) => (value as u64).to_be_bytes().to_vec(),
            (_, false) => (value as u64).to_le_bytes().to_vec(),
        }
    }

    pub(super) fn program_header(&self, kind: usize, offset: usize, length: usize) -> Vec<u8> {
        let (offset, address) = (self.wide(offset), self.wide(ADDRESS + offset));
        let (kind, flags) = (self.word(kind), self.word(4));
        let (size, align) = (self.wide(length), self.wide(4));
        let parts: [&Vec<u8>; 8] = match self.bits {
            32 => [
                &kind, &offset, &address, &address, &size, &size, &flags, &align,
            ],
            _ => [
                &kind, &flags, &offset, &address, &address, &size, &size, &align,
            ],
        };
        parts.into_iter().flatten().copied().collect()
    }

    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (header, entry) = if self.bits == 32 { (52, 32) } else { (64, 56) };
        let mut body = Vec::new();
        let start = header + 4 * entry;
        let mut strings = vec![0];
        let mut name = |text: &str| {
            let at = strings.len();
            strings.extend(text.as_bytes());
            strings.push(0);
            at
        };
        let mut dynamic: Vec<(usize, usize)> = Vec::new();
        dynamic.extend(self.needed.iter().map(|text| (1, name(text))));
        dynamic.extend(self.soname.map(|text| (14, name(text))));
        dynamic.extend(self.runpath.map(|text| (29, name(text))));

        let mut needs = Vec::new();
        for (index, (file, versions)) in self.needs.iter().enumerate() {
            let length = 16 + 16 * versions.len();
            let next = if index + 1 == self.needs.len() {
                0
            } else {
                length
            };
            needs.extend([self.half(1), self.half(versions.len())].concat());
            needs.extend([name(file), 16, next].map(|one| self.word(one)).concat());
            for (index, version) in versions.iter().enumerate() {
                let next = if index + 1 == versions.len() { 0 } else { 16 };
                let weak = version.starts_with('?');
                needs.extend(self.word(0));
                needs.extend([self.half(if weak { 2 } else { 0 }), self.half(2)].concat());
                let text = name(version.trim_start_matches('?'));
                needs.extend([text, next].map(|one| self.word(one)).concat());
            }
        }
        let mut definitions = Vec::new();
        let base = self.soname.unwrap_or("base");
        let all: Vec<&str> = [base]
            .into_iter()
            .chain(self.defines.iter().copied())
            .collect();
        for (index, version) in all.iter().enumerate() {
            let next = if index + 1 == all.len() { 0 } else { 28 };
            let flags = usize::from(index == 0);
            for half in [1, flags, index + 1, 1] {
                definitions.extend(self.half(half));
            }
            for word in [0, 20, next, name(version), 0] {
                definitions.extend(self.word(word));
            }
        }
        let mut put = |bytes: &[u8]| {
            while body.len() % 8 != 0 {
                body.push(0);
            }
            let at = start + body.len();
            body.extend(bytes);
            at
        };
        let interpreter = self.interpreter.map(|text| format!("{text}\0"));
        let interpreter = interpreter.map(|text| (put(text.as_bytes()), text.len()));
        let mut note = Vec::new();
        for word in [4, self.note.len(), 0x407c_0c0a] {
            note.extend(self.word(word));
        }
        note.extend(b"FDO\0");
        note.extend(self.note.as_bytes());
        while note.len() % 4 != 0 {
            note.push(0);
        }
        let note = (put(&note), note.len());
        let strings_at = put(&strings);
        dynamic.extend([(5, ADDRESS + strings_at), (10, strings.len())]);
        if !self.needs.is_empty() {
            let at = ADDRESS + put(&needs);
            dynamic.extend([(0x6fff_fffe, at), (0x6fff_ffff, self.needs.len())]);
        }
        if !self.defines.is_empty() {
            let at = ADDRESS + put(&definitions);
            dynamic.extend([(0x6fff_fffc, at), (0x6fff_fffd, all.len())]);
        }
        dynamic.extend([(0x6fff_fffb, self.flags_1 as usize), (0, 0)]);
        let table: Vec<u8> = dynamic
            .iter()
            .flat_map(|(tag, value)| [self.wide(*tag), self.wide(*value)].concat())
            .collect();
        let dynamic = (put(&table), table.len());
        let length = start + body.len();

        let mut file = b"\x7fELF".to_vec();
        file.extend([self.bits / 32, 1 + u8::from(self.big_endian), 1]);
        file.resize(16, 0);
        let machine = if self.bits == 32 { 3 } else { 62 };
        file.extend(
            [
                self.half(self.kind.into()),
                self.half(machine),
                self.word(1),
            ]
            .concat(),
        );
        file.extend([self.wide(0), self.wide(header), self.wide(0), self.word(0)].concat());
        let (interpreter_at, interpreter_length) = interpreter.unwrap_or((0, 0));
        for half in [header, entry, 4, 0, 0, 0] {
            file.extend(self.half(half));
        }
        file.extend(self.program_header(1, 0, length));
        file.extend(self.program_header(3, interpreter_at, interpreter_length));
        file.extend(self.program_header(2, dynamic.0, dynamic.1));
        file.extend(self.program_header(4, note.0, note.1));
        file.extend(body);
        file
    }

    /// Returns the file with `count` section headers behind it, all of this type, with these flags
    /// and this size, at the address of the dynamic section.
    pub(super) fn with_sections(
        &self,
        kind: usize,
        flags: usize,
        size: usize,
        count: usize,
    ) -> Vec<u8> {
        let mut file = self.bytes();
        // Of the third program header; where the file header has the place, entry size and count.
        let (address, width, place, counts, entry) = match self.bits {
            32 => (52 + 2 * 32 + 8, 4, 32, 46, 40),
            _ => (64 + 2 * 56 + 16, 8, 40, 58, 64),
        };
        let address = file[address..address + width].to_vec();
        let start = self.wide(file.len());
        file[place..place + width].copy_from_slice(&start);
        let numbers = [self.half(entry), self.half(count)].concat();
        file[counts..counts + 4].copy_from_slice(&numbers);
        let (none, flags, size) = (self.wide(0), self.wide(flags), self.wide(size));
        let kind = [self.word(0), self.word(kind)].concat();
        let links = [self.word(0), self.word(0)].concat();
        let section = [&kind, &flags, &address, &none, &size, &links, &none, &none];
        let section: Vec<u8> = section.into_iter().flatten().copied().collect();
        assert_eq!(section.len(), entry);
        file.extend(section.repeat(count));
        file
    }
}
