"""Carrying one task over."""

from __future__ import annotations

from datetime import timedelta

from openai_connector.contract import CAMUNDA_HTTP_JOB_TYPE, DEFAULT_TIMEOUT_SECONDS
from openai_connector.tasks.camunda_http_task import seconds_of
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
from openai_connector.tools.diagrams.camunda.request import number_of
from openai_connector.tools.diagrams.camunda.templates import (
    AZURE_TEMPLATE,
    CONNECTION_TIMEOUT,
    MADE,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    template_of,
)
from openai_connector.tools.diagrams.constants import NOT_CONSTANT, value_of
from openai_connector.tools.diagrams.tasks import Task

_WHOLE_CALL = "Request timeout is for the whole call"


def carry(task: Task) -> Carried:
    """Return what a task of Camunda's templates becomes.

    Raises:
        NotCarriedError: it asks something that this connector does not, or cannot be read.
    """
    refuse_unreadable(task)
    given = task.without_absent()
    carried = carry_azure(given) if template_of(task) == AZURE_TEMPLATE else carry_openai(given)
    carried.removed += [mapped.target for mapped in given.inputs if mapped.target in MADE]
    _name_job_type(given, carried)
    _carry_timeout(given, carried)
    _leave_out_default_temperature(given, carried)
    _drop_absent(task, carried)
    refuse_lost_reads(task, carried)
    refuse_secrets(given, carried)
    check_expressions(given, carried)
    return carried


def _name_job_type(task: Task, carried: Carried) -> None:
    """Say that a job type is replaced which somebody chose."""
    value = value_of(task.job_type)
    if value == CAMUNDA_HTTP_JOB_TYPE:
        return
    carried.changes.append(f"The job type {task.job_type} is replaced by this connector's")
    if value is NOT_CONSTANT:
        carried.warnings.append(
            f"The job type was an expression, {task.job_type}, which may have chosen another worker"
        )


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
        _drop_timeout(task, carried, WRITE_TIMEOUT, _WHOLE_CALL)
    if _carry_read_timeout(task, carried):
        if task.input(CONNECTION_TIMEOUT) is not None:
            _drop_timeout(task, carried, CONNECTION_TIMEOUT, _WHOLE_CALL)
        return
    connection = task.input(CONNECTION_TIMEOUT)
    if connection is None or not (connection.source or "").strip():
        return
    value = value_of((connection.source or "").strip())
    if (seconds_of(value) or timedelta()) > timedelta(seconds=DEFAULT_TIMEOUT_SECONDS):
        _set_timeout(task, carried, CONNECTION_TIMEOUT)
        return
    why = (
        "it is the time to connect, and no limit for an answer. Request timeout is left empty: the "
        f"worker's own holds ({DEFAULT_TIMEOUT_SECONDS} s unless set otherwise)"
    )
    _drop_timeout(task, carried, CONNECTION_TIMEOUT, why)
    if value is NOT_CONSTANT:
        carried.warnings.append(
            f"{CONNECTION_TIMEOUT} was an expression, {shown(connection)}: where it gave more than "
            f"{DEFAULT_TIMEOUT_SECONDS} s, an answer may need a request timeout of its own"
        )


def _carry_read_timeout(task: Task, carried: Carried) -> bool:
    """Carry the timeout of reading; return whether it is the request timeout now."""
    reading = task.input(READ_TIMEOUT)
    if reading is None:
        return False
    value = value_of((reading.source or "").strip())
    if value is not NOT_CONSTANT and seconds_of(value) is None:
        _drop_timeout(task, carried, READ_TIMEOUT, "the worker's own request timeout holds")
        return False
    _set_timeout(task, carried, READ_TIMEOUT)
    carried.warnings.append(
        f"{READ_TIMEOUT} {shown(reading)} limited each wait for a part of the answer; Request timeout is for "
        "the whole call, from connecting to the last byte: see whether that is long enough"
    )
    return True


def _drop_timeout(task: Task, carried: Carried, name: str, why: str) -> None:
    carried.removed.append(name)
    given = shown(task.input(name)).strip()
    is_none = number_of(value_of(given)) == 0
    carried.changes.append(f"{name} {given}{' (none)' if is_none else ''} is dropped: {why}")


def _set_timeout(task: Task, carried: Carried, name: str) -> None:
    carried.targets[name] = "openai_timeout"
    carried.changes.append(f"{name} {shown(task.input(name))} is now the request timeout, in seconds")


def _leave_out_default_temperature(task: Task, carried: Carried) -> None:
    """Leave out the temperature 1: it is the API's default, and models refuse it.

    Camunda's template always sends it, so it is no choice of a person.
    """
    for old, new in list(carried.targets.items()):
        if new == "openai_temperature" and number_of(value_of(source_of(task, old).strip())) == 1:
            del carried.targets[old]
            carried.removed.append(old)
            carried.changes.append(
                "Temperature 1 is left empty: it is the API's default, and reasoning models refuse it"
            )
