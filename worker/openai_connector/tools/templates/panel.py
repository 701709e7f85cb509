"""What a properties panel shows besides an operation's inputs: groups, output mapping, errors, retries."""

from __future__ import annotations

from dataclasses import dataclass

from openai_connector.tasks.operations.fields import Shown

GROUPS = {
    "authentication": "Authentication",
    "operation": "Operation",
    "model": "Model",
    "prompt": "Prompt",
    "parameters": "Parameters",
    "responseFormat": "Response format",
    "tools": "Tools",
    "moderation": "Moderation",
    "output": "Output mapping",
    "errors": "Error handling",
    "retries": "Retries",
}
"""Every group of the panel, in the order in which a person fills them."""

OPEN_GROUPS = frozenset({"operation", "model", "prompt", "moderation", "output"})
"""Groups that hold what nearly every task needs: open from the start."""

_VARIABLE = r"[^\s\d=+*/.,:;()\[\]{}\"'<>|&!?-][^\s=+*/.,:;()\[\]{}\"'<>|&!?-]*"
_DURATION = r"P(?=[0-9T])([0-9]+[DW])?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?"


@dataclass(frozen=True, slots=True)
class Header:
    """A task header: a fixed text that the worker reads with the job."""

    key: str
    label: str
    shown: Shown


RESULT_VARIABLE = Header(
    "resultVariable",
    "Result variable",
    Shown(
        "output",
        feel=None,
        description="Process variable for the whole response, for example <code>answer</code>. What you need "
        "is then in <code>answer.output</code>",
        placeholder="answer",
        pattern=_VARIABLE,
        pattern_message="must be a name without spaces, for example answer",
    ),
)


# Where a field is always FEEL, Modeler writes the = itself and shows it: its examples have none, since a
# modeler who copies one with it would get two (measured in both front ends).
def result_expression(examples: tuple[str, ...]) -> Header:
    """Return the result expression's header, with examples of one operation."""
    return Header(
        "resultExpression",
        "Result expression",
        Shown(
            "output",
            kind="Text",
            feel="required",
            description="Process variables from parts of the response." + _as_list(examples),
        ),
    )


def error_expression(examples: tuple[str, ...]) -> Header:
    """Return the error expression's header, with examples of one operation."""
    return Header(
        "errorExpression",
        "Error expression",
        Shown(
            "errors",
            kind="Text",
            feel="required",
            description="Turns a failure or an answer into a BPMN error, for a boundary event to catch."
            + _as_list(examples),
        ),
    )


def _as_list(examples: tuple[str, ...]) -> str:
    return "".join(f"<br>{example}" for example in examples)


RETRIES = Shown(
    "retries",
    default="3",
    pattern=r"[0-9]+",
    pattern_message="must be a whole number, for example 3",
    description="How often the task is tried before it becomes an incident, for example <code>3</code>",
)
RETRY_BACKOFF = Header(
    "retryBackoff",
    "Retry backoff",
    Shown(
        "retries",
        feel=None,
        default="PT30S",
        pattern=_DURATION,
        pattern_message="must be a duration such as PT30S or PT5M",
        description="Wait after a failure that costs a retry, for example <code>PT30S</code> (30 seconds) or "
        "<code>PT5M</code> (5 minutes)",
    ),
)
JOB_TIMEOUT = Header(
    "jobTimeout",
    "Job timeout",
    Shown(
        "retries",
        feel=None,
        pattern=_DURATION,
        pattern_message="must be a duration such as PT10M",
        description="How long the engine leaves the task to a worker before it gives it to another, for "
        "example <code>PT10M</code>. Empty: the worker's own",
    ),
)
