//! Completions for shells, from the table of commands.

use std::fmt::Write;

use crate::commands::{COMMANDS, Command, Flag, GLOBAL};
use crate::failure::Failure;

/// The script for `shell`.
pub(crate) fn script(shell: &str) -> Result<String, Failure> {
    match shell {
        "bash" => Ok(bash()),
        "zsh" => Ok(zsh()),
        "fish" => Ok(fish()),
        _ => {
            let failure = Failure::usage(format_args!("there are no completions for {shell:?}"));
            Err(failure.hint("there are some for bash, zsh and fish"))
        }
    }
}

fn flags(command: &Command) -> impl Iterator<Item = &'static Flag> {
    command.flags.iter().chain(GLOBAL)
}

/// The values that the word behind a command can have.
fn values(command: &Command) -> String {
    match command.words {
        "SHELL" => "bash zsh fish".to_owned(),
        "[COMMAND]" => COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

fn bash() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let names = names.join(" ");
    let global: Vec<String> = GLOBAL.iter().map(|flag| format!("--{}", flag.long)).collect();
    let (valued, cases) = bash_values();
    let mut commands = String::new();
    for command in COMMANDS {
        let flags: Vec<String> = flags(command).map(|flag| format!("--{}", flag.long)).collect();
        let (name, flags, words) = (command.name, flags.join(" "), values(command));
        let files = if command.words.contains("FILE") { "files=1" } else { "files=" };
        let _ = writeln!(commands, "        {name}) flags='{flags}' words='{words}' {files} ;;");
    }
    format!(
        "# Completions of geecache for bash.
_geecache() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local command= flags='{global}' words='{names}' files= at
    case $before in
{cases}    esac
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
        {valued}) ((at++)) ;;
        -*) ;;
        *) command=${{COMP_WORDS[at]}}; break ;;
        esac
    done
    case $command in
{commands}    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))
    elif [[ $files ]]; then
        COMPREPLY=($(compgen -f -- \"$word\"))
    else
        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))
    fi
}}
complete -F _geecache geecache
",
        global = global.join(" "),
    )
}

/// The names of all options with a value, and what completes the values.
fn bash_values() -> (String, String) {
    let mut valued = String::new();
    let mut cases = String::new();
    let mut seen = Vec::new();
    let all = COMMANDS.iter().flat_map(flags).filter(|flag| !flag.value.is_empty());
    for flag in all {
        if seen.contains(&flag.long) {
            continue;
        }
        seen.push(flag.long);
        let names = match flag.short {
            Some(short) => format!("-{short}|--{}", flag.long),
            None => format!("--{}", flag.long),
        };
        let reply = match flag.values {
            [] if flag.is_file() => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
            [] => "COMPREPLY=()".to_owned(),
            values => format!("COMPREPLY=($(compgen -W '{}' -- \"$word\"))", values.join(" ")),
        };
        // The value of an option is no command.
        let bar = if valued.is_empty() { "" } else { "|" };
        let _ = write!(valued, "{bar}{names}");
        let _ = writeln!(cases, "        {names}) {reply}; return ;;");
    }
    (valued, cases)
}

fn zsh() -> String {
    let mut names = String::new();
    let mut cases = String::new();
    for command in COMMANDS {
        let _ = writeln!(names, "        '{}:{}'", command.name, quoted(command.about));
        let specs: Vec<String> = flags(command).flat_map(zsh_flag).collect();
        let words = match &*values(command) {
            "" if command.words.contains("FILE") => "'*:file:_files'".to_owned(),
            "" => "'*: :'".to_owned(),
            values => format!("'1: :({values})'"),
        };
        let _ = writeln!(
            cases,
            "    {})\n        _arguments -s {} {words} ;;",
            command.name,
            specs.join(" ")
        );
    }
    let global: Vec<String> = GLOBAL.iter().flat_map(zsh_flag).collect();
    format!(
        "#compdef geecache
# Completions of geecache for zsh.
_geecache() {{
    local curcontext=$curcontext state line
    local -a commands=(
{names}    )
    _arguments -C -s {global} '1: :->command' '*:: :->words'
    case $state in
    command) _describe command commands ;;
    words)
    case $line[1] in
{cases}    esac ;;
    esac
}}
_geecache \"$@\"
",
        global = global.join(" "),
    )
}

fn zsh_flag(flag: &'static Flag) -> Vec<String> {
    let about = quoted(flag.about).replace('[', "\\[").replace(']', "\\]");
    let action = match flag.values {
        _ if flag.value.is_empty() => String::new(),
        [] if flag.is_file() => ":file:_files".to_owned(),
        [] => format!(":{}: ", flag.value.to_lowercase()),
        values => format!(":{}:({})", flag.value.to_lowercase(), values.join(" ")),
    };
    let long = format!("'--{}[{about}]{action}'", flag.long);
    let short = flag.short.map(|short| format!("'-{short}[{about}]{action}'"));
    short.into_iter().chain([long]).collect()
}

fn fish() -> String {
    let mut text = String::from("# Completions of geecache for fish.\ncomplete -c geecache -f\n");
    for command in COMMANDS {
        let (name, about) = (command.name, quoted(command.about));
        let _ =
            writeln!(text, "complete -c geecache -n __fish_use_subcommand -a {name} -d '{about}'");
    }
    for flag in GLOBAL {
        fish_flag(&mut text, flag, "");
    }
    for command in COMMANDS {
        let when = format!(" -n '__fish_seen_subcommand_from {}'", command.name);
        for flag in command.flags {
            fish_flag(&mut text, flag, &when);
        }
        match &*values(command) {
            "" if command.words.contains("FILE") => {
                let _ = writeln!(text, "complete -c geecache{when} -F");
            }
            "" => {}
            values => {
                let _ = writeln!(text, "complete -c geecache{when} -a '{values}'");
            }
        }
    }
    text
}

fn fish_flag(text: &mut String, flag: &Flag, when: &str) {
    let short = flag.short.map_or_else(String::new, |short| format!(" -s {short}"));
    let value = match flag.values {
        _ if flag.value.is_empty() => String::new(),
        [] if flag.is_file() => " -r -F".to_owned(),
        [] => " -x".to_owned(),
        values => format!(" -x -a '{}'", values.join(" ")),
    };
    let about = quoted(flag.about);
    let _ =
        writeln!(text, "complete -c geecache{when}{short} -l {}{value} -d '{about}'", flag.long);
}

/// Text for between single quotes, where shells know no escapes.
fn quoted(text: &str) -> String {
    text.replace('\'', "’")
}
