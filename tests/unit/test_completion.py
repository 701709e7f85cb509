"""What shells complete, and the examples of each command's help."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from openai_connector.cli import main
from openai_connector.commands import COMMANDS

ROOT = Path(__file__).parents[2]
SHELLS = ("bash", "zsh", "fish")
AT_ONCE = ("evaluate", "lint", "migrate", "templates", "completion")
"""Commands whose examples end by themselves, without a network; of the others, only the arguments are read."""


def printed(*arguments: str) -> str:
    """Return what a command prints on its way to success."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):  # with which --help ends
        assert main(list(arguments)) == 0
    return output.getvalue()


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(printed("completion", "bash"))
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["ev"], {"evaluate"}, id="a command"),
        pytest.param([""], {*COMMANDS, "--help", "--version"}, id="all commands"),
        pytest.param(["check", "--j"], {"--json"}, id="an option"),
        pytest.param(["migrate", "--re"], {"--replace-models"}, id="an option of another"),
        pytest.param(["completion", ""], set(SHELLS), id="a choice"),
        pytest.param(["lint", "order of "], {"order of today.bpmn"}, id="a file with blanks"),
        pytest.param(["nothing", "--"], set(), id="an unknown command"),
    ],
)
def test_bash_completes(script: Path, tmp_path: Path, words: list[str], expected: set[str]) -> None:
    """The script, run by bash itself, offers what fits and nothing else."""
    (tmp_path / "order of today.bpmn").write_text("")
    line = " ".join(shlex.quote(word) for word in ["openai-connector", *words])
    program = (
        f"source {shlex.quote(str(script))}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        "_openai_connector; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {found for found in done.stdout.splitlines() if found} == expected
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_each_script(shell: str) -> None:
    """What `--help` shows of a command, each script knows; a shell that is here finds no fault in it."""
    script = printed("completion", shell)
    for name in COMMANDS:
        assert name in script
        for option in re.findall(r"^ +(?:-\w(?: \S+)?, )?--([a-z-]+)", printed(name, "--help"), re.MULTILINE):
            assert f"--{option}" in script or f"-l {option} " in script, (name, option)
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def examples() -> Iterator[tuple[str, str]]:
    """Yield each command with each example of its help."""
    for name in COMMANDS:
        block = printed(name, "--help").partition("examples:\n")[2].partition("\n\n")[0]
        for line in re.sub(r"\|\n\s+", "| ", block).splitlines():
            yield name, re.sub(r"\s{3,}.*", "", line.strip())


EXAMPLES = list(examples())


def test_every_command_has_examples() -> None:
    """The help of each command shows how it is used."""
    assert {name for name, _ in EXAMPLES} == COMMANDS.keys()


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_works(name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example ends well as it stands, or at least has the right arguments where it would run for long."""
    folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    if name in AT_ONCE:
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        (bin_folder / "openai-connector").write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m openai_connector "$@"\n'
        )
        (bin_folder / "openai-connector").chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return
    monkeypatch.setattr(import_module(f"openai_connector.commands.{COMMANDS[name][1]}"), "run", lambda _: 0)
    words = shlex.split(line)
    assert main(words[words.index("openai-connector") + 1 :]) == 0


def folder(tmp_path: Path) -> None:
    """Make the files that examples name."""
    for name in ("order.bpmn", "pay.bpmn", "diagrams/order.bpmn", "processes/order.bpmn"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "examples" / "sort-ticket.bpmn", tmp_path / name)
    (tmp_path / "order.json").write_text('{"items": [{"price": 1}, {"price": 2}]}')
    (tmp_path / "answer.json").write_text(
        '{"status": 200, "headers": {}, "body": {}, "output": {"text": "Hi"}}'
    )
    (tmp_path / "error.json").write_text('{"type": "ApiStatusError", "code": "500", "message": "No."}')
    for name in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
        (tmp_path / name).mkdir(parents=True)
