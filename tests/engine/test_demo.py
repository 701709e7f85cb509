"""`openai-connector demo`, end to end: engine, real model, real worker."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from openai_connector.tools.demo.engine import Engine
from tests.engine.worker import neutral_environment
from tests.processes import left_running

PATIENCE = 400.0
"""Seconds for a demo on a busy machine; an idle one needs about 5. The demo's own limits are below it."""


class Demo:
    """A running `openai-connector demo` with its output in a file and its temporary files in a folder of their own."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    def descendants(self) -> list[int]:
        try:
            return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def loads_the_model(self) -> bool:
        try:
            return any(
                "openai_connector.tools.demo.model" in psutil.Process(pid).cmdline()
                for pid in self.descendants()
            )
        except psutil.NoSuchProcess:  # one of them ended just now: to be asked again
            return False

    def wait_until(self, reached: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert self.process.poll() is None, f"ended early with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"took too long:\n{self.output}"
            time.sleep(0.1)


@contextmanager
def _demo(folder: Path, *arguments: str) -> Iterator[Demo]:
    scratch, output = folder / "scratch", folder / "output"
    scratch.mkdir()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "openai_connector", "demo", *arguments],
            env=neutral_environment() | {"TMPDIR": str(scratch)},
            stdout=stream,
            stderr=subprocess.STDOUT,
            # As in a terminal: where the tests run in the background, Ctrl-C is ignored, and that is
            # inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        yield Demo(process, output)
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("no_cluster")
def test_demo_runs_and_cleans_up_after_ctrl_c(tmp_path: Path) -> None:
    """With nothing but the demo itself, both messages come to their ends.

    Ctrl-C leaves no process and no file.
    """
    with _demo(tmp_path, "--keep") as demo:
        demo.wait_until(lambda: "Deploy from Camunda Modeler" in demo.output)
        started = demo.descendants()
        assert len(started) == 2  # the model with its guard: engine and worker run in the demo itself
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(PATIENCE) == 130
        assert left_running(started) == []
        assert "Ended at Answered" in demo.output
        assert "Ended at Rejected" in demo.output
        assert ".flaggedCategories       harassment" in demo.output
        assert "4 messages (system, user, assistant, user)" in demo.output  # the history was fed back
        assert "Traceback" not in demo.output
        assert demo.output.endswith("Stopped; nothing is left running.\n")
        assert "\x1b" not in demo.output
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.usefixtures("no_cluster")
def test_ctrl_c_while_the_model_loads(tmp_path: Path) -> None:
    """A Ctrl-C in mid-start ends the engine and the loading model, quietly."""
    with _demo(tmp_path) as demo:
        demo.wait_until(demo.loads_the_model)
        started = demo.descendants()
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(PATIENCE) == 130
        assert left_running(started) == []
        assert "Traceback" not in demo.output
    assert list((tmp_path / "scratch").iterdir()) == []


def test_demo_on_another_cluster_and_api(engine: Engine, model_api: str, tmp_path: Path) -> None:
    """With an address of a cluster and of an API the demo starts neither.

    And the process runs all the same.
    """
    with _demo(tmp_path, "--zeebe-address", f"http://{engine.address}", "--api-base-url", model_api) as demo:
        started: set[int] = set()
        while demo.process.poll() is None:
            started.update(demo.descendants())
            time.sleep(0.1)
        assert demo.process.returncode == 0, demo.output
        assert started == set()
        assert "Ended at Answered" in demo.output
        assert "Ended at Rejected" in demo.output


@pytest.mark.usefixtures("no_cluster")
def test_failing_api_is_shown_as_the_incident_says_it(tmp_path: Path) -> None:
    """Where the process stops at an incident, the demo ends at once with the incident's message and exit code 1."""
    with _demo(tmp_path, "--api-base-url", "http://127.0.0.1:9/v1") as demo:
        assert demo.process.wait(PATIENCE) == 1
        assert "The process stopped at the task moderate with an incident: " in demo.output
        assert "Ended at" not in demo.output
    assert list((tmp_path / "scratch").iterdir()) == []
