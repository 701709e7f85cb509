"""Runs one command and ends it as soon as its starter is gone, for whatever reason.

Run as a script (`python guard.py COMMAND ARG ...`) by `child`: standard input is a pipe that closes when the
starter dies, also by SIGKILL. Linux's PR_SET_PDEATHSIG is not used: it fires when the starting *thread* ends,
and other systems do not have it. Only the standard library is imported: it has to start at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL once the starter is gone."""


def main(command: list[str]) -> int:
    """Run a command and return its exit code, 128 + N after signal N."""
    # Handlers that do nothing, instead of SIG_IGN: the command would inherit ignored signals.
    for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signal_number, lambda *_: None)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())
    except OSError as error:
        print(f"{command[0]} could not be started: {error.strerror}", file=sys.stderr)
        return 127
    os.write(sys.stdout.fileno(), b"%d\n" % child.pid)
    threading.Thread(target=_end_with_starter, args=(child,), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _end_with_starter(child: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 64):
        pass
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
