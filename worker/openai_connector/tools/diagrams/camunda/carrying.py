"""Carrying one task over."""

from __future__ import annotations

from openai_connector.contract import DEFAULT_TIMEOUT_SECONDS
from openai_connector.tools.diagrams.camunda.azure_template import carry_azure
from openai_connector.tools.diagrams.camunda.carried import Carried, shown, source_of
from openai_connector.tools.diagrams.camunda.openai_template import carry_openai
from openai_connector.tools.diagrams.camunda.refusals import (
    check_expressions,
    is_of_templates,
    refuse_lost_reads,
    refuse_secrets,
    refuse_unreadable,
)
from openai_connector.tools.diagrams.camunda.request import number
from openai_connector.tools.diagrams.camunda.templates import (
    AZURE_TEMPLATE,
    CONNECTION_TIMEOUT,
    MADE,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    template_of,
)
from openai_connector.tools.diagrams.tasks import Task


def carry(task: Task) -> Carried:
    """Return what a task of Camunda's templates becomes.

    Raises:
        NotCarriedError: it asks something that this connector does not, or cannot be read.
    """
    refuse_unreadable(task)
    given = task.without_absent()
    carried = carry_azure(given) if template_of(task) == AZURE_TEMPLATE else carry_openai(given)
    carried.removed += [mapped.target for mapped in given.inputs if mapped.target in MADE]
    _carry_timeout(given, carried)
    _leave_out_default_temperature(given, carried)
    _drop_absent(task, carried)
    refuse_lost_reads(task, carried)
    refuse_secrets(given, carried)
    check_expressions(given, carried)
    return carried


def _drop_absent(task: Task, carried: Carried) -> None:
    """Drop the templates' inputs that have no source: they are null, which is "not given" here as there."""
    absent = [mapped.target for mapped in task.inputs if mapped.is_absent and is_of_templates(mapped.target)]
    if absent:
        carried.removed += absent
        carried.changes.append(f"Inputs without a source are dropped: {', '.join(absent)}")


def _carry_timeout(task: Task, carried: Carried) -> None:
    """Carry a timeout as the drop-in reads it: that of reading, else a longer one of connecting.

    Camunda's template sets 30 seconds for connecting, which is no decision about how long an answer may take.
    """
    if task.input(WRITE_TIMEOUT) is not None:
        _drop_timeout(task, carried, WRITE_TIMEOUT, "Request timeout is for the whole call")
    connection = source_of(task, CONNECTION_TIMEOUT).strip()
    if task.input(READ_TIMEOUT) is not None:
        if source_of(task, READ_TIMEOUT).strip() == "0":
            _drop_timeout(task, carried, READ_TIMEOUT, "the worker's own request timeout holds")
        else:
            _set_timeout(task, carried, READ_TIMEOUT)
            if connection:
                _drop_timeout(task, carried, CONNECTION_TIMEOUT, "Request timeout is for the whole call")
            return
    if not connection:
        return
    if connection.isascii() and connection.isdigit() and int(connection) <= DEFAULT_TIMEOUT_SECONDS:
        why = (
            "it is the time to connect, and no limit for an answer. Request timeout is left empty: the "
            f"worker's own holds ({DEFAULT_TIMEOUT_SECONDS} s unless set otherwise)"
        )
        _drop_timeout(task, carried, CONNECTION_TIMEOUT, why)
    else:
        _set_timeout(task, carried, CONNECTION_TIMEOUT)


def _drop_timeout(task: Task, carried: Carried, name: str, why: str) -> None:
    carried.removed.append(name)
    given = shown(task.input(name)).strip()
    carried.changes.append(f"{name} {'0 (none)' if given == '0' else given} is dropped: {why}")


def _set_timeout(task: Task, carried: Carried, name: str) -> None:
    carried.targets[name] = "openai_timeout"
    carried.changes.append(f"{name} {shown(task.input(name))} is now the request timeout, in seconds")


def _leave_out_default_temperature(task: Task, carried: Carried) -> None:
    """Leave out the temperature 1: it is the API's default, and models refuse it.

    Camunda's template always sends it, so it is no choice of a person.
    """
    for old, new in list(carried.targets.items()):
        source = source_of(task, old).strip()
        if new == "openai_temperature" and number(source) == 1:
            del carried.targets[old]
            carried.removed.append(old)
            carried.changes.append(
                "Temperature 1 is left empty: it is the API's default, and reasoning models refuse it"
            )
