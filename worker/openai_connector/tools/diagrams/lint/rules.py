"""Which tasks are checked, and by which rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from openai_connector.tasks.operations import INPUT_NAMES, OPERATION_INPUT
from openai_connector.tools.diagrams.camunda import NotCarriedError, carry, likeness_of, template_of
from openai_connector.tools.diagrams.lint import error_expression, inputs, request, results
from openai_connector.tools.diagrams.lint.subject import Finding, Subject
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.tasks import Task, tasks_of
from openai_connector.tools.templates import JOB_TYPE, VARIANTS

_TEMPLATE_IDS = frozenset(variant.id for variant in VARIANTS)
_TELLING_INPUTS = 3
"""So many of this connector's inputs are no coincidence, whatever job type and template the task has."""
_RULES_OF_ANY_TASK = (
    inputs.sources_written,
    inputs.syntax,
    results.header_values,
    results.results,
    error_expression.error_expression,
    inputs.literal_keys,
)
"""Rules that need not know what the inputs mean."""
_RULES_OF_KNOWN_INPUTS = (inputs.unknown_inputs, inputs.misplaced_secrets, request.request)


def check(data: bytes, today: date, *, job_type: str = JOB_TYPE) -> list[Finding]:
    """Check a diagram's tasks: this connector's, and those of Camunda's own OpenAI templates.

    Args:
        data: the file.
        today: decides which models are shut down.
        job_type: of this connector's tasks.

    Raises:
        DiagramError: the file cannot be read.
    """
    return [
        finding
        for task in tasks_of(Markup.read(data))
        for finding in check_task(task, today, job_type=job_type)
    ]


def check_task(task: Task, today: date, *, job_type: str = JOB_TYPE) -> list[Finding]:
    """Check one task; a task of another worker has no findings."""
    if template_of(task) is not None:
        found = _camunda_findings(task, today)
    elif _is_ours(task, job_type):
        sources = {mapped.target: mapped.source or "" for mapped in task.inputs}
        found = _findings(Subject(task, sources, {}, today))
    elif looks_like := likeness_of(task):
        found = iter(
            [Finding("looks-like", "warning", f"The task is not checked: {looks_like}", task.node.line)]
        )
    else:
        return []
    shown = [
        replace(
            finding,
            message=inputs.API_KEY.sub("sk-…", finding.message),
            element_id=task.element_id,
            element_name=task.name,
        )
        for finding in found
    ]
    return sorted(dict.fromkeys(shown), key=lambda finding: finding.line)


def _is_ours(task: Task, job_type: str) -> bool:
    """Check whether this connector works on a task: also one made with a copy of its templates."""
    if task.template_id in _TEMPLATE_IDS or task.job_type == job_type:
        return True
    own = {mapped.target for mapped in task.inputs}.intersection(INPUT_NAMES)
    return OPERATION_INPUT in own or len(own) >= _TELLING_INPUTS


def _camunda_findings(task: Task, today: date) -> Iterator[Finding]:
    """Check the task as it would be after a migration; the labels of the inputs are the same."""
    try:
        carried = carry(task)
    except NotCarriedError as error:
        message = f"The task is made with Camunda's own template and cannot be moved over: {error}"
        yield Finding("not-migratable", "warning", message, task.node.line)
        subject = Subject(task, {}, {}, today)
        for rule in _RULES_OF_ANY_TASK:
            yield from rule(subject)
        return
    yield from _findings(Subject(task, carried.inputs(task), carried.targets, today))


def _findings(subject: Subject) -> Iterator[Finding]:
    for rule in (*_RULES_OF_ANY_TASK, *_RULES_OF_KNOWN_INPUTS):
        yield from rule(subject)
