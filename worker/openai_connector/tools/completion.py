"""Scripts with which shells complete a command line, made from what the command's parser knows."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "openai-connector"


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is typed, with its dashes."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what may follow it."""

    name: str
    about: str
    options: Sequence[Option]
    words: Sequence[str] = ()
    """What it takes beside options; none: files."""


def bash(commands: Sequence[Command]) -> str:
    """Return the script for bash."""
    names = " ".join([*(command.name for command in commands), "--help", "--version"])
    options = [
        f"        {one.name}) options='{_options(one)}' words='{' '.join(one.words)}' ;;" for one in commands
    ]
    return f"""\
_openai_connector() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" options='' words=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '{names}' -- "$current"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{_lines(options)}
    esac
    if [[ "$current" == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
    elif [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    else
        local IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _openai_connector {PROGRAM}"""


def zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh."""
    names = [f"        {shlex.quote(f'{one.name}:{one.about}')}" for one in commands]
    cases = []
    for command in commands:
        described = [shlex.quote(f"{one.name}:{_line(one.about)}") for one in command.options]
        words = [shlex.quote(word) for word in command.words]
        cases.append(
            f"        {command.name}) options=({' '.join(described)}); values=({' '.join(words)}) ;;"
        )
    return f"""\
#compdef {PROGRAM}
_openai_connector() {{
    local -a names options values
    names=(
{_lines(names)}
    )
    if (( CURRENT == 2 )); then
        _describe command names
        return
    fi
    case "$words[2]" in
{_lines(cases)}
    esac
    if [[ "$words[CURRENT]" == -* ]]; then
        _describe option options
    elif (( $#values )); then
        compadd -- $values
    else
        _files
    fi
}}
if [ "$funcstack[1]" = _openai_connector ]; then
    _openai_connector "$@"
else
    compdef _openai_connector {PROGRAM}
fi"""


def fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    start = f"complete -c {PROGRAM}"
    lines = []
    for command in commands:
        lines.append(f"{start} -f -n __fish_use_subcommand -a {command.name} -d {_fish(command.about)}")
        seen = f"{start} -n {_fish(f'__fish_seen_subcommand_from {command.name}')}"
        for option in command.options:
            flag = f"-l {option.name[2:]}" if option.name.startswith("--") else f"-s {option.name[1:]}"
            lines.append(f"{seen} {flag} -d {_fish(_line(option.about))}")
        if command.words:
            lines.append(f"{seen} -f -a {_fish(' '.join(command.words))}")
    return "\n".join(lines)


SHELLS: Final[Mapping[str, Callable[[Sequence[Command]], str]]] = {"bash": bash, "fish": fish, "zsh": zsh}


def _options(command: Command) -> str:
    return " ".join(option.name for option in command.options)


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split())


def _fish(text: str) -> str:
    r"""Quote for fish, where a backslash and a single quote are all that counts in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
