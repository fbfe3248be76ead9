//! The command `geecache`: looks into a cluster, and changes what it holds.

mod args;
mod bench;
mod changes;
mod check;
mod cluster;
mod columns;
mod commands;
mod completions;
mod failure;
mod format;
mod get;
mod help;
mod log_to_stderr;
mod man;
mod output;
mod ring;
mod settings;
mod stats;
mod style;
mod top;
mod url_ring;
mod value;
mod view;

use std::env;
use std::process::ExitCode;

use args::{Args, Wish};
use commands::Action;
use failure::{Exit, Failure};
use output::{Form, Output};

fn main() -> ExitCode {
    match Wish::of(env::args_os()) {
        Ok(Wish::Run(args)) => {
            let form = if args.has("json") { Form::Json } else { Form::Text };
            let out = Output::new(form, args.text("color"));
            if args.has("verbose") {
                log_to_stderr::show();
            }
            let done = run(&args, &out).map_err(|failure| match failure.exit {
                Exit::Refused => {
                    let hint = settings::let_in(&args, &failure.message);
                    failure.hint(hint)
                }
                _ => failure,
            });
            ended(&out, done)
        }
        Ok(Wish::Help(command, length)) => {
            let out = Output::new(Form::Text, None);
            ended(
                &out,
                out.bytes(help::text(command, length, &out).as_bytes()).map(|()| Exit::Done),
            )
        }
        Ok(Wish::Version) => {
            let out = Output::new(Form::Text, None);
            let version = concat!("geecache ", env!("CARGO_PKG_VERSION"));
            ended(&out, out.line(version).map(|()| Exit::Done))
        }
        Err(failure) => ended(&Output::new(Form::Text, None), Err(failure)),
    }
}

fn ended(out: &Output, ended: Result<Exit, Failure>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.complain(&failure);
            failure.exit.into()
        }
    }
}

fn run(args: &Args, out: &Output) -> Result<Exit, Failure> {
    match args.command.action {
        Action::Get => get::get(args, out),
        Action::Peek => get::peek(args, out),
        Action::Owner => ring::owner(args, out),
        Action::Remove => changes::remove(args, out),
        Action::Insert => changes::insert(args, out),
        Action::Clear => changes::clear(args, out),
        Action::Stats => stats::stats(args, out),
        Action::Top => top::top(args, out),
        Action::Ring => ring::ring(args, out),
        Action::Check => check::check(args, out),
        Action::Bench => bench::bench(args, out),
        Action::Completions => {
            out.bytes(completions::script(&args.words[0])?.as_bytes()).map(|()| Exit::Done)
        }
        Action::Man => out.bytes(man::page().as_bytes()).map(|()| Exit::Done),
        // It was told already.
        Action::Help => Ok(Exit::Done),
    }
}
