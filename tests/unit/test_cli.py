"""The command line as a person meets it first."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from openai_connector import settings
from openai_connector.cli import main


def test_without_a_command_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who types the bare name learns what there is, and a script learns that nothing was done."""
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert all(command in shown for command in ("run", "demo", "evaluate", "lint", "migrate", "templates"))


def test_evaluate_without_anything_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is told from a failed expression by the exit status."""
    assert main(["evaluate"]) == 2
    assert "give an expression" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names the path; there is no traceback."""
    file = tmp_path / "file"
    file.write_text("")
    assert main(["templates", "--output", str(file)]) == 1
    assert capsys.readouterr().err == f"openai-connector templates: {file}: File exists\n"


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
