"""The command line as a person meets it first."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from openai_connector import settings
from openai_connector.cli import main
from openai_connector.commands import COMMANDS


def test_without_a_command_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who types the bare name learns what there is, and a script learns that nothing was done."""
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert all(command in shown for command in ("run", "demo", "evaluate", "lint", "migrate", "templates"))


def test_evaluate_without_anything_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is told from a failed expression by the exit status."""
    assert main(["evaluate"]) == 2
    assert "give an expression" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_tells_its_exit_statuses(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts go by them."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "\nexit status: 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        pytest.param(
            ["lint", "--today", "soon", "a.bpmn"], "--today: soon is no day; write it as", id="lint"
        ),
        pytest.param(["costs", "--since", "soon"], "--since: soon is no day; write it as", id="costs"),
        pytest.param(["try", "--api-base-url", "llm", "a.bpmn"], "--api-base-url: must be a URL", id="try"),
        pytest.param(["sandbox", "--api-base-url", "llm:80"], "--api-base-url: must be a URL", id="sandbox"),
        pytest.param(["demo", "--api-base-url", "http://a:b"], "--api-base-url: must be a URL", id="demo"),
    ],
)
def test_a_wrong_value_is_told_by_its_option(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not by a setting that it stands for, nor by a function of Python."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert what in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names the path; there is no traceback."""
    file = tmp_path / "file"
    file.write_text("")
    assert main(["templates", "--output", str(file)]) == 1
    assert capsys.readouterr().err == f"openai-connector templates: {file}: File exists\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' device of a full disk")
@pytest.mark.parametrize("arguments", [["evaluate", "1"], ["completion", "bash"]], ids=["little", "much"])
def test_an_output_that_cannot_be_written_is_told_in_one_line(arguments: list[str]) -> None:
    """As by a report that is redirected to a full disk: the status is 1, and there is no traceback."""
    command = [sys.executable, "-c", "import sys; from openai_connector.cli import main; sys.exit(main())"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*command, *arguments], stdout=full, stderr=PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "openai-connector: the output cannot be written (No space left on device)\n"


def test_sigterm_during_the_start_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process of a container ignores a SIGTERM without a handler.

    There is one before settings are read.
    """
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr(settings, "load", lambda: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(SystemExit) as ended:
            main(["run"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 0
