//! [`RemoveKeys`]: the request of groupcache-go by which many keys are removed, in JSON.
//!
//! ```text
//! {"group":"scores","keys":["Tom","Jack"]}
//! ```

use std::fmt;

/// What is behind the group in the path of such a request.
pub(crate) const PATH: &str = "_remove-keys/";

/// A request that was read to its end, and is right. Its keys are decoded one at a time: however
/// many there are, they take no memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RemoveKeys<'a> {
    /// The group, if it is told.
    pub(crate) group: Option<String>,
    /// The text behind the bracket that opens the keys; empty if there are none.
    keys: &'a str,
}

impl<'a> RemoveKeys<'a> {
    /// Reads a request. Members that are not known are left out where they are no objects and no
    /// lists.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, NotRemoveKeys> {
        let text = std::str::from_utf8(text).map_err(|_| NotRemoveKeys)?;
        let mut json = KeysJson { rest: text };
        let mut request = Self { group: None, keys: "" };
        json.expect('{')?;
        if !json.takes('}') {
            loop {
                let name = json.string()?;
                json.expect(':')?;
                match &*name {
                    "group" => request.group = json.string_or_null()?,
                    "keys" => request.keys = json.list_or_null()?,
                    _ => json.skip_scalar()?,
                }
                if json.takes('}') {
                    break;
                }
                json.expect(',')?;
            }
        }
        json.skip_space();
        if json.rest.is_empty() { Ok(request) } else { Err(NotRemoveKeys) }
    }

    /// The keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> + use<'a> {
        let mut json = KeysJson { rest: self.keys };
        std::iter::from_fn(move || {
            // Reading has shown that this ends well.
            let key = json.string().ok();
            json.takes(',');
            key
        })
    }
}

/// The request that removes `keys`.
pub(crate) fn write(group: &str, keys: &[&str]) -> String {
    let mut text = String::from("{\"group\":");
    push_string(&mut text, group);
    text.push_str(",\"keys\":[");
    for (at, key) in keys.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_string(&mut text, key);
    }
    text.push_str("]}");
    text
}

fn push_string(text: &mut String, string: &str) {
    text.push('"');
    for char in string.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\0'..='\x1f' => text.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => text.push(char),
        }
    }
    text.push('"');
}

/// A body is not a request to remove keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotRemoveKeys;

impl fmt::Display for NotRemoveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is not a group and a list of keys in JSON")
    }
}

/// Reads the little of JSON (RFC 8259) that there is.
struct KeysJson<'a> {
    rest: &'a str,
}

impl<'a> KeysJson<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn takes(&mut self, char: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(char);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, char: char) -> Result<(), NotRemoveKeys> {
        if self.takes(char) { Ok(()) } else { Err(NotRemoveKeys) }
    }

    fn takes_null(&mut self) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix("null");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn string_or_null(&mut self) -> Result<Option<String>, NotRemoveKeys> {
        if self.takes_null() { Ok(None) } else { self.string().map(Some) }
    }

    /// Reads a list of strings, and returns what is behind its first bracket.
    fn list_or_null(&mut self) -> Result<&'a str, NotRemoveKeys> {
        if self.takes_null() {
            return Ok("");
        }
        self.expect('[')?;
        let list = self.rest;
        if self.takes(']') {
            return Ok("");
        }
        loop {
            self.string()?;
            if self.takes(']') {
                return Ok(list);
            }
            self.expect(',')?;
        }
    }

    fn string(&mut self) -> Result<String, NotRemoveKeys> {
        self.expect('"')?;
        let mut string = String::new();
        loop {
            let end = self.rest.find(['"', '\\']).ok_or(NotRemoveKeys)?;
            let (plain, rest) = self.rest.split_at(end);
            if plain.bytes().any(|byte| byte < 0x20) {
                return Err(NotRemoveKeys);
            }
            string.push_str(plain);
            self.rest = &rest[1..];
            if rest.starts_with('"') {
                return Ok(string);
            }
            string.push(self.escaped()?);
        }
    }

    /// The character that an escape stands for, behind its backslash.
    fn escaped(&mut self) -> Result<char, NotRemoveKeys> {
        let mut chars = self.rest.chars();
        let kind = chars.next().ok_or(NotRemoveKeys)?;
        self.rest = chars.as_str();
        Ok(match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.code_point()?,
            _ => return Err(NotRemoveKeys),
        })
    }

    /// A character that is escaped as one UTF-16 unit, or as two. Half of a pair stands for no
    /// character.
    fn code_point(&mut self) -> Result<char, NotRemoveKeys> {
        let first = self.unit()?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let after = if is_high { self.rest.strip_prefix("\\u") } else { None };
        let Some(after) = after else { return Ok(char_of(first)) };
        let mut ahead = KeysJson { rest: after };
        let second = ahead.unit()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        self.rest = ahead.rest;
        Ok(char_of(0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00))))
    }

    fn unit(&mut self) -> Result<u32, NotRemoveKeys> {
        let digits = self.rest.get(..4).ok_or(NotRemoveKeys)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotRemoveKeys);
        }
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).map_err(|_| NotRemoveKeys)
    }

    /// Leaves out a value that is no object and no list.
    fn skip_scalar(&mut self) -> Result<(), NotRemoveKeys> {
        self.skip_space();
        if self.rest.starts_with('"') {
            return self.string().map(drop);
        }
        let is_part = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        let rest = self.rest.trim_start_matches(is_part);
        if rest.len() == self.rest.len() {
            return Err(NotRemoveKeys);
        }
        self.rest = rest;
        Ok(())
    }
}

fn char_of(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
