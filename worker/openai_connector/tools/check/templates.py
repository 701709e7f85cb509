"""The diagrams of a folder against this worker: the versions of its templates, and the models asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from openai_connector.tools.check.findings import Finding, failure, ok, warning
from openai_connector.tools.diagrams.lint import check
from openai_connector.tools.diagrams.markup import DiagramError, Markup
from openai_connector.tools.diagrams.tasks import TEMPLATE_VERSION, ZEEBE, Task, tasks_of
from openai_connector.tools.templates.versions import recorded

ABOUT_MODELS = ("model-shutdown", "unknown-model")


def check_folder(folder: Path, job_type: str, today: date) -> list[Finding]:
    """Look at each diagram in the folder and below it."""
    paths = sorted(path for path in folder.rglob("*.bpmn") if path.is_file())
    if not paths:
        advice = "Name the folder of the diagrams that this worker serves"
        return [warning("diagrams", f"There is no *.bpmn in {folder}", advice)]
    findings = [finding for path in paths for finding in _check(path, job_type, today)]
    return findings or [ok("diagrams", f"{len(paths)} diagrams go with this worker")]


def _check(path: Path, job_type: str, today: date) -> Iterator[Finding]:
    try:
        source = path.read_bytes()
        tasks = tasks_of(Markup.read(source))
        found = check(source, today, job_type=job_type)
    except (DiagramError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        yield warning("diagrams", f"{path} cannot be read: {reason}", "Correct the file, or move it away")
        return
    for task in tasks:
        yield from _version(path, task)
    for one in found:
        if one.rule in ABOUT_MODELS:
            say = failure if one.severity == "error" else warning
            advice = "Choose another model in Modeler, and deploy the diagram anew"
            yield say("models", f"{path}:{one.line}: {one.element_id}: {one.message}", advice)


def _version(path: Path, task: Task) -> Iterator[Finding]:
    known = recorded().get(task.template_id or "")
    if known is None:
        return
    version = (task.node.get(TEMPLATE_VERSION, ZEEBE) or "").strip()
    if version.isascii() and version.isdecimal() and int(version) in known:
        return  # also where it is an older one: each is served for ever
    place = f"{path}:{task.node.line}: {task.element_id}"
    newest = max(known)
    yield failure(
        "diagrams",
        f"{place}: version {version or '(none)'} of {task.template_id} is not known, the newest is {newest}",
        "Run a worker that is at least as new as the template, or take the template from this worker",
    )
