"""Carrying one task over."""

from __future__ import annotations

from openai_connector.tools.diagrams.camunda.azure_template import carry_azure
from openai_connector.tools.diagrams.camunda.carried import Carried, shown, source_of
from openai_connector.tools.diagrams.camunda.openai_template import carry_openai
from openai_connector.tools.diagrams.camunda.refusals import (
    check_expressions,
    refuse_lost_reads,
    refuse_secrets,
    refuse_unreadable,
)
from openai_connector.tools.diagrams.camunda.request import number
from openai_connector.tools.diagrams.camunda.templates import (
    AZURE_TEMPLATE,
    MADE,
    TIMEOUTS,
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
    carried = carry_azure(task) if template_of(task) == AZURE_TEMPLATE else carry_openai(task)
    carried.removed += [mapped.target for mapped in task.inputs if mapped.target in MADE]
    _carry_timeout(task, carried)
    _leave_out_default_temperature(task, carried)
    refuse_lost_reads(task, carried)
    refuse_secrets(task, carried)
    check_expressions(task, carried)
    return carried


def _carry_timeout(task: Task, carried: Carried) -> None:
    given = [name for name in TIMEOUTS if task.input(name) is not None]
    for name in given[1:] + [WRITE_TIMEOUT] * (task.input(WRITE_TIMEOUT) is not None):
        carried.removed.append(name)
        carried.changes.append(f"{name} is dropped: Request timeout is for the whole call")
    if not given:
        return
    source = source_of(task, given[0])
    if source.strip() == "0":
        carried.removed.append(given[0])
        carried.changes.append("A timeout of 0 (none) is dropped: the worker's own request timeout holds")
    else:
        carried.targets[given[0]] = "openai_timeout"
        carried.changes.append(
            f"{given[0]} {shown(task.input(given[0]))} is now the request timeout, in seconds"
        )


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
