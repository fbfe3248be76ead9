//! What options can't be.

use crate::error::Error;
use crate::http::server::Server;
use crate::http::wire;

/// The error of an option that can't work.
pub(super) fn invalid(option: &'static str, reason: impl Into<String>) -> Error {
    Error::InvalidOption { option, reason: reason.into() }
}

/// An error where peers could not be told of a group, or be asked about another one: Go's servers
/// cut a path after they decoded it.
pub(super) fn validate_group(name: &str) -> Result<(), Error> {
    if wire::is_group(name) {
        return Ok(());
    }
    Err(Error::InvalidGroup { name: name.to_owned() })
}

/// An error where the server could end the program.
pub(super) fn validate_server(server: Server, panic_is_the_end: bool) -> Result<(), Error> {
    if server == Server::TinyHttp && panic_is_the_end {
        let reason = "clients can make tiny_http panic, and this program is built with `panic = \
                      \"abort\"`: take Server::Guarded";
        return Err(invalid("server", reason));
    }
    Ok(())
}

/// An error where a path could not stand in a request.
pub(super) fn validate_base_path(path: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~./".contains(&byte);
    if !path.bytes().all(plain) {
        let reason = "only letters, digits, and -_~. stand in a path as they are";
        return Err(invalid("base_path", reason));
    }
    if path == "/" {
        return Ok(());
    }
    let Some(parts) = path.strip_prefix('/').and_then(|path| path.strip_suffix('/')) else {
        return Err(invalid("base_path", "it must begin and end with a slash"));
    };
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let reason = "an empty part, or one of dots, would be lost on the way";
        return Err(invalid("base_path", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_that_may_panic_is_refused_where_a_panic_ends_the_program() {
        for server in [Server::TinyHttp, Server::Guarded] {
            validate_server(server, false).unwrap();
        }
        validate_server(Server::Guarded, true).unwrap();
        let refused = validate_server(Server::TinyHttp, true);
        assert!(matches!(refused, Err(Error::InvalidOption { option: "server", .. })));
    }
}
