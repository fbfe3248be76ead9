//! [`JsonObject`]: JSON, written piece by piece.

mod whole;

pub(super) use whole::is_object;

use std::fmt::Write;

/// An object that is being written.
pub(super) struct JsonObject<'a> {
    out: &'a mut String,
    is_empty: bool,
}

/// The text of an object with the members that `write` gives it.
pub(super) fn object(write: impl FnOnce(&mut JsonObject<'_>)) -> String {
    let mut text = String::new();
    write_object(&mut text, write);
    text
}

fn write_object(out: &mut String, write: impl FnOnce(&mut JsonObject<'_>)) {
    out.push('{');
    write(&mut JsonObject { out, is_empty: true });
    out.push('}');
}

impl JsonObject<'_> {
    /// A member with a plain value.
    pub(super) fn member(&mut self, name: &str, value: impl JsonValue) {
        self.name(name);
        value.write(self.out);
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut JsonObject<'_>)) {
        self.name(name);
        write_object(self.out, write);
    }

    /// A member that is a list of objects, one for each of `items`.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut JsonObject<'_>, T),
    ) {
        self.name(name);
        self.out.push('[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write_object(self.out, |object| write(object, item));
        }
        self.out.push(']');
    }

    /// A member that is JSON already.
    pub(super) fn written(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.push_str(json);
    }

    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        name.write(self.out);
        self.out.push(':');
    }
}

/// What stands behind a name.
pub(super) trait JsonValue {
    fn write(&self, out: &mut String);
}

impl JsonValue for str {
    fn write(&self, out: &mut String) {
        out.push('"');
        for char in self.chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                // What some readers take for the end of a line or of a script is told otherwise.
                '\0'..='\x1f' | '\x7f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    push(out, format_args!("\\u{:04x}", char as u32));
                }
                _ => out.push(char),
            }
        }
        out.push('"');
    }
}

impl JsonValue for u64 {
    fn write(&self, out: &mut String) {
        push(out, format_args!("{self}"));
    }
}

impl JsonValue for usize {
    fn write(&self, out: &mut String) {
        push(out, format_args!("{self}"));
    }
}

impl JsonValue for f64 {
    fn write(&self, out: &mut String) {
        // JSON knows no others.
        if self.is_finite() {
            push(out, format_args!("{self}"));
        } else {
            out.push_str("null");
        }
    }
}

impl JsonValue for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl<T: JsonValue> JsonValue for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl<T: JsonValue + ?Sized> JsonValue for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A text takes all that is written to it.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests;
