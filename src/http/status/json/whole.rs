//! Whether a text is JSON: what other peers tell is put into an answer as it came.

/// How deep objects and lists may stand in each other.
const MAX_DEPTH: usize = 16;

/// Whether `text` is one whole JSON object, and nothing else.
pub(in crate::http::status) fn is_object(text: &str) -> bool {
    let mut reader = Reader { rest: text.as_bytes() };
    reader.skip_space();
    let is_object = reader.rest.first() == Some(&b'{') && reader.value(MAX_DEPTH).is_some();
    reader.skip_space();
    is_object && reader.rest.is_empty()
}

/// Takes values off the front. `None` is anything that is no JSON.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.rest.first()? {
            b'{' => self.members(b'}', depth, |reader| {
                reader.string()?;
                reader.skip_space();
                reader.take(b':')?;
                reader.skip_space();
                reader.value(depth - 1)
            }),
            b'[' => self.members(b']', depth, |reader| reader.value(depth - 1)),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// An object or a list, from its bracket on to `end`.
    fn members(
        &mut self,
        end: u8,
        depth: usize,
        mut member: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        if depth == 0 {
            return None;
        }
        self.rest = &self.rest[1..];
        self.skip_space();
        if self.take(end).is_some() {
            return Some(());
        }
        loop {
            self.skip_space();
            member(self)?;
            self.skip_space();
            if self.take(end).is_some() {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                ..=0x1f => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                // A half of a pair is refused with the pairs: no peer of ours writes either.
                let is_half = digits[0].eq_ignore_ascii_case(&b'd') && digits[1] >= b'8';
                (digits.iter().all(u8::is_ascii_hexdigit) && !is_half).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[count..];
        (count > 0).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_space(&mut self) {
        let count = self.rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.rest = &self.rest[count..];
    }
}
