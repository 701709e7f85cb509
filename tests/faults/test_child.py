"""Programs that must never outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from pathlib import Path

from openai_connector.tools.demo.child import Child
from tests.processes import left_running

LONG = timedelta(seconds=60)
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def _wait_for_output(child: Child) -> None:
    deadline = time.monotonic() + 60
    while not child.last_lines(1):
        assert time.monotonic() < deadline, "the program says nothing"
        time.sleep(0.02)


def test_exit_code_and_log_are_kept(tmp_path: Path) -> None:
    """A program that ends by itself leaves its exit code, and both its output streams in the log."""
    script = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr); sys.exit(3)"
    child = Child([sys.executable, "-c", script], environment=os.environ, log=tmp_path / "log")
    child.start()
    assert child.wait(LONG)
    assert child.exit_code == 3
    assert not child.running
    assert child.last_lines(5) == "out\nerr"


def test_terminated_program_is_started_again(tmp_path: Path) -> None:
    """SIGTERM ends the program, not only its guard, and the same object starts it again."""
    child = Child(SLEEPER, environment=os.environ, log=tmp_path / "log")
    child.start()
    first = child.pid
    child.terminate(LONG)
    assert child.exit_code == 128 + signal.SIGTERM
    assert left_running([first]) == []
    child.start()
    assert child.running
    assert child.pid != first
    child.kill()
    assert child.exit_code == 128 + signal.SIGKILL


def test_deaf_program_is_killed(tmp_path: Path) -> None:
    """A program that ignores SIGTERM is killed when its grace is over."""
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('up', flush=True); time.sleep(600)"
    )
    child = Child([sys.executable, "-c", deaf], environment=os.environ, log=tmp_path / "log")
    child.start()
    _wait_for_output(child)
    child.terminate(timedelta(seconds=0.1))
    assert child.exit_code == 128 + signal.SIGKILL
    assert left_running([child.pid]) == []


def test_program_dies_with_its_starter(tmp_path: Path) -> None:
    """A SIGKILL of the starter, which can clean up nothing then, ends the program."""
    starter = """
        import os, sys, time
        from pathlib import Path
        from openai_connector.tools.demo.child import Child
        child = Child(sys.argv[2:], environment=os.environ, log=Path(sys.argv[1]))
        child.start()
        print(child.pid, flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(starter), str(tmp_path / "log"), *SLEEPER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    assert left_running([pid]) == []


def test_program_survives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A program started in a short-lived thread, as `asyncio.to_thread` has them, goes on after that thread's end."""
    child = Child(SLEEPER, environment=os.environ, log=tmp_path / "log")
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    _wait_for_output(child)
    assert child.running
    child.kill()


def test_missing_program_is_an_exit_code(tmp_path: Path) -> None:
    """A program that does not exist ends with 127 and a line in the log."""
    child = Child([str(tmp_path / "nothing")], environment=os.environ, log=tmp_path / "log")
    child.start()
    assert child.wait(LONG)
    assert child.exit_code == 127
    assert "could not be started" in child.last_lines(1)
