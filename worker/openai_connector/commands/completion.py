"""The command `openai-connector completion`."""

from __future__ import annotations

import argparse
from importlib import import_module

from openai_connector.commands import COMMANDS
from openai_connector.commands.console import say
from openai_connector.contract import ExitStatus
from openai_connector.tools.completion import SHELLS, Command, Option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = """\
examples:
  openai-connector completion bash > ~/.local/share/bash-completion/completions/openai-connector
  openai-connector completion zsh > ~/.zfunc/_openai-connector             a folder of $fpath
  openai-connector completion fish > ~/.config/fish/completions/openai-connector.fish

exit status: 0, 2 for wrong use."""
    parser.add_argument("shell", choices=sorted(SHELLS))


def run(namespace: argparse.Namespace) -> int:
    """Print the script for a shell."""
    say(
        SHELLS[namespace.shell]([_command(name, about, module) for name, (about, module) in COMMANDS.items()])
    )
    return ExitStatus.ENDED


def _command(name: str, about: str, module: str) -> Command:
    parser = argparse.ArgumentParser(prog=name)
    import_module(f"openai_connector.commands.{module}").add_arguments(parser)
    options, words = [], []
    for action in parser._actions:
        if not action.option_strings:
            words += [str(choice) for choice in action.choices or ()]
        options += [Option(option, _plain(action)) for option in action.option_strings]
    return Command(name, about, options, words)


def _plain(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
