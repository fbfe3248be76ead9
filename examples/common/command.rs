//! The command line of an example. Help, wrong options and failures look alike in all of them.

use std::error::Error;
use std::process::ExitCode;

use super::errors::describe;
use super::output::{complain, say};

/// Does what the command line says. `parse` reads the options of the example `name`; `None` is that
/// `help` is wanted. `run` tells whether all went well.
///
/// The process ends with 0 then, with 1 if not, and with 2 if the options are wrong.
pub(crate) fn command<T>(
    name: &str,
    help: &str,
    parse: impl FnOnce(lexopt::Parser) -> Result<Option<T>, lexopt::Error>,
    run: impl FnOnce(T) -> Result<bool, Box<dyn Error>>,
) -> ExitCode {
    match parse(lexopt::Parser::from_env()).map(|options| options.map(run)) {
        Ok(Some(Ok(true))) => ExitCode::SUCCESS,
        Ok(Some(Ok(false))) => ExitCode::FAILURE,
        Ok(Some(Err(error))) => {
            complain(format_args!("{name}: {}", describe(&*error)));
            ExitCode::FAILURE
        }
        Ok(None) => {
            say(help);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(format_args!("{name}: {error} (see --help)"));
            ExitCode::from(2)
        }
    }
}
