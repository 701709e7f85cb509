"""The command `openai-connector migrate`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from openai_connector.commands.console import say
from openai_connector.commands.templates import add_job_type
from openai_connector.tools.diagrams.markup import DiagramError
from openai_connector.tools.diagrams.migrate import Migration, migrate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Move the tasks of a diagram that were made with Camunda's own OpenAI or Azure\n"
        "OpenAI template over to this connector. Every value is kept, and every other byte\n"
        "of the file; a task that cannot be carried over is left as it is, and named."
    )
    parser.epilog = """\
examples:
  openai-connector migrate order.bpmn --dry-run       what would change
  openai-connector migrate order.bpmn                 writes order.migrated.bpmn

exit status: 0, 1 when a task was left as it is or a file cannot be read, 2 for wrong use."""
    parser.add_argument("diagram", type=Path, metavar="IN.bpmn")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("-o", "--output", type=Path, metavar="OUT.bpmn", help="default: IN.migrated.bpmn")
    output.add_argument("--in-place", action="store_true", help="write IN.bpmn itself")
    output.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")
    parser.add_argument(
        "--replace-models",
        action="store_true",
        help="put OpenAI's named replacement for models that are shut down",
    )
    add_job_type(parser, "of the new tasks")


def run(namespace: argparse.Namespace, today: date | None = None) -> int:
    """Migrate, and say what was done."""
    source: Path = namespace.diagram
    try:
        migration = migrate(
            source.read_bytes(),
            today or date.today(),
            job_type=namespace.job_type,
            replaces_models=namespace.replace_models,
        )
    except DiagramError as error:
        return _failed(f"{source} {error}")
    except OSError as error:
        return _failed(f"{source}: {error.strerror}")
    say(*_report(source, migration))
    target: Path = namespace.output or (
        source if namespace.in_place else source.with_name(f"{source.stem}.migrated{source.suffix}")
    )
    if not namespace.dry_run and (namespace.output or any(task.migrated for task in migration.tasks)):
        if target.exists() and not (namespace.force or namespace.in_place):
            return _failed(
                f"{target} is there already; choose another name with -o, or overwrite it with --force"
            )
        try:
            _write(target, migration.content)
        except OSError as error:
            return _failed(f"{target}: {error.strerror}")
        say(f"Written to {target}")
    return 0 if all(task.migrated for task in migration.tasks) else 1


def _failed(message: str) -> int:
    print(f"openai-connector migrate: {message}", file=sys.stderr)
    return 1


def _write(target: Path, content: bytes) -> None:
    """Write a file; one that is there is whole at any time, the old one or the new."""
    if not target.is_file():
        target.write_bytes(content)
        return
    target = target.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    new = Path(name)
    try:
        new.write_bytes(content)
        shutil.copymode(target, new)
        new.replace(target)
    except OSError:
        new.unlink()
        raise


def _report(source: Path, migration: Migration) -> Iterator[str]:
    done = sum(task.migrated for task in migration.tasks)
    if not migration.tasks:
        yield f"{source}: no task of Camunda's OpenAI templates found"
        return
    yield f"{source}: {done} of {len(migration.tasks)} tasks of Camunda's OpenAI templates migrated"
    for task in migration.tasks:
        name = f' "{task.name}"' if task.name else ""
        yield f"\n{task.element_id}{name} (line {task.line}): " + (
            "migrated" if task.migrated else "left as it is"
        )
        if task.reason is not None:
            yield f"  not carried: {task.reason}"
        yield from (f"  changed: {change}" for change in task.changes)
        for warning in task.warnings:
            yield "  look at: " + warning.replace("\n", "\n    ")
    yield ""
