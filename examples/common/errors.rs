//! Errors as one line of text.

use std::error::Error;

/// The error and what caused it: `can not listen on 127.0.0.1:8001: Address already in use`.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}
