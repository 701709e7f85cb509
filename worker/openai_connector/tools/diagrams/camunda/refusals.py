"""What else stands against carrying a task over, and what a person should look at."""

from __future__ import annotations

import re

from openai_connector.contract import ERROR_EXPRESSION, RESULT_EXPRESSION, RESULT_VARIABLE
from openai_connector.tasks.operations import SECRET_INPUTS
from openai_connector.tools.diagrams.camunda.carried import Carried, NotCarriedError
from openai_connector.tools.diagrams.camunda.request import variables_of
from openai_connector.tools.diagrams.camunda.templates import (
    AZURE_EXTRAS,
    AZURE_INPUTS,
    AZURE_OPERATIONS,
    LABELS,
    MADE,
    NOT_HERE,
    OPENAI_INPUTS,
    TIMEOUTS,
)
from openai_connector.tools.diagrams.placeholders import secrets_asked
from openai_connector.tools.diagrams.reads import reads_of
from openai_connector.tools.diagrams.tasks import Task

_KNOWN = {*MADE, *TIMEOUTS, *OPENAI_INPUTS, *AZURE_INPUTS}
_OPERATION_PREFIXES = tuple(f"{operation}_" for operation in AZURE_OPERATIONS)


def is_of_templates(target: str) -> bool:
    """Check whether an input is one of Camunda's templates, or of the REST connector below them."""
    return target in {*_KNOWN, *NOT_HERE} or target.startswith(("authentication.", *_OPERATION_PREFIXES))


def refuse_unreadable(task: Task) -> None:
    """Raise NotCarriedError for a task that is broken, or has an input without a counterpart here.

    What the engine takes as absent, such as a header without a value, is no reason.
    """
    if not task.job_type:
        raise NotCarriedError("its job type is missing")
    targets = [mapped.target for mapped in task.inputs]
    if twice := sorted({target for target in targets if targets.count(target) > 1}):
        raise NotCarriedError(f"the input {twice[0]} is mapped twice: remove one of the mappings")
    for mapped in task.without_absent().inputs:
        if mapped.target in NOT_HERE:
            raise NotCarriedError(f"the input {mapped.target} of the REST connector has no counterpart here")
        if mapped.target.startswith("authentication.") and mapped.target not in _KNOWN:
            raise NotCarriedError(f"the input {mapped.target} has no counterpart here: only an API key has")


def refuse_lost_reads(task: Task, carried: Carried) -> None:
    """Raise NotCarriedError if an expression that stays reads a variable that is removed."""
    leaving: set[str] = set()
    for mapped in task.inputs:
        goes = mapped.target in carried.targets or mapped.target in carried.removed
        if mapped.is_feel and not (mapped.target in carried.removed and mapped.target not in AZURE_EXTRAS):
            _refuse_reads(mapped.source, leaving, f"the input {mapped.target}")
        if goes:
            leaving.add(mapped.variable)
    own = {*task.mappings(), task.definition}
    for node in task.node.walk():
        for (_, name), attribute in node.attributes.items():
            if attribute.value.startswith("=") and node not in own:
                _refuse_reads(attribute.value, leaving, f"{name} of <{node.tag}>")


def _refuse_reads(source: str | None, leaving: set[str], where: str) -> None:
    read = sorted(variables_of(source or "") & leaving)
    if read:
        is_certain = any(path[0] == read[0] for path in reads_of(source or "").paths)
        how = "reads" if is_certain else "has a filter that may read"
        raise NotCarriedError(f"{where} {how} the variable {read[0]}, which is not there afterwards")


def refuse_secrets(task: Task, carried: Carried) -> None:
    """Raise NotCarriedError for a secret where this connector resolves none: it would be sent as written."""
    for mapped in task.inputs:
        new = "openai_extraBody" if mapped.target in AZURE_EXTRAS else carried.targets.get(mapped.target)
        if new is None or new in SECRET_INPUTS or mapped.source is None:
            continue
        if names := secrets_asked(mapped.source):
            label = LABELS.get(new, mapped.target)
            raise NotCarriedError(f"{label} asks for the secret {names[0]}: here, only credentials may")


def check_expressions(task: Task, carried: Carried) -> None:
    """Warn of error expressions that read another response here than in Camunda's runtime.

    Keys that this connector's response has not are found by the rules of `lint`.
    """
    headers = task.header_values()
    has_result = bool(headers.get(RESULT_VARIABLE, "").strip() or headers.get(RESULT_EXPRESSION, "").strip())
    error = headers.get(ERROR_EXPRESSION, "")
    if has_result and re.search(r"\bresponse\b", error):
        carried.warnings.append(
            f"{ERROR_EXPRESSION} reads response: after a success it is the whole response here, "
            "in Camunda's runtime it was the result variables (those are there under their own names, too)"
        )
