//! Keys of several parts.

use crate::typed::key::{CacheKey, KeyText};

/// What stands between two parts.
const BETWEEN: char = ':';

/// What stands before a [`BETWEEN`], or before itself, that belongs to a part.
const ESCAPE: char = '\\';

/// Appends a part of a key, after another one or as the first.
fn push_part(text: &mut KeyText, is_first: IsFirst, part: &impl CacheKey) {
    if is_first == IsFirst::No {
        text.push_str(":");
    }
    let start = text.as_str().len();
    part.write_text(text);
    let written = &text.as_str()[start..];
    if written.contains([BETWEEN, ESCAPE]) {
        let escaped = escape(written);
        text.replace_from(start, &escaped);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsFirst {
    Yes,
    No,
}

fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len() + 8);
    for char in part.chars() {
        if matches!(char, BETWEEN | ESCAPE) {
            escaped.push(ESCAPE);
        }
        escaped.push(char);
    }
    escaped
}

/// The parts of a key, without escapes. `None` if the key has not so many, or something else is
/// escaped.
fn parts<const N: usize>(text: &str) -> Option<[String; N]> {
    let mut parts = [const { String::new() }; N];
    let (mut at, mut chars) = (0, text.chars());
    while let Some(char) = chars.next() {
        match char {
            BETWEEN => at += 1,
            ESCAPE => {
                let escaped = chars.next().filter(|char| matches!(*char, BETWEEN | ESCAPE))?;
                parts.get_mut(at)?.push(escaped);
            }
            char => parts.get_mut(at)?.push(char),
        }
    }
    (at + 1 == N).then_some(parts)
}

macro_rules! tuple {
    ($count:literal: $($part:ident $at:tt),+) => {
        impl<$($part: CacheKey),+> CacheKey for ($($part,)+) {
            type Owned = ($($part::Owned,)+);

            fn write_text(&self, text: &mut KeyText) {
                let mut is_first = IsFirst::Yes;
                $(
                    push_part(text, std::mem::replace(&mut is_first, IsFirst::No), &self.$at);
                )+
            }

            fn parse_text(text: &str) -> Option<Self::Owned> {
                let parts: [String; $count] = parts(text)?;
                Some(($($part::parse_text(&parts[$at])?,)+))
            }
        }
    };
}

tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
