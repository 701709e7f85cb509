"""Write the generated tables of the docs: `make docs`. A test fails when they are not current."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from openai_connector import contract, settings
from openai_connector.contract import PANEL
from openai_connector.money import SHOWN
from openai_connector.observe.metrics import Metrics
from openai_connector.observe.tracing import names
from openai_connector.openai_api import policy
from openai_connector.tasks.operations import OPERATION_INPUT, OPERATIONS, Endpoint
from openai_connector.tasks.operations.fields import Inputs
from openai_connector.wording import ADVICE, SENTENCES

FOLDER: Final = Path(__file__).parent

ERRORS: Final = (
    ("ApiStatusError", "the HTTP status, such as `429`", "the API answered with a status of 400 or above"),
    ("ApiTimeoutError", f"`{contract.CONNECTION_FAILED}`", "no answer in time; possibly paid"),
    ("ApiConnectionError", f"`{contract.CONNECTION_FAILED}`", "no connection, or it broke during the call"),
    ("ApiConnectionError", f"`{contract.TLS_FAILED}`", "no secure connection; the message says why"),
    ("ApiConnectionError", "`407`", "the proxy opens no tunnel without a user name and password"),
    (
        "InvalidResponseError",
        f"`{contract.INVALID_RESPONSE}`",
        "a redirect, no JSON, an error in a success, no answer in it, a response that failed or was "
        "cancelled, or no proper HTTP (`status` as far as it is known, else 0)",
    ),
    ("HostRefusedError", f"`{contract.HOST_NOT_ALLOWED}`", "the base URL's host is not allowed"),
    ("SecretError", f"`{contract.SECRET_NOT_AVAILABLE}`", "a secret is missing or empty"),
    (
        "HeldBackError",
        f"`{contract.HELD_BACK}`",
        "nothing was sent, by a limit or an outage, for as long as `CONNECTOR_MAX_WAIT_TIME` allows",
    ),
    (
        "BudgetExceededError",
        f"`{contract.BUDGET_EXCEEDED}`",
        "the call does not fit into a budget, or the budget refuses it for want of a price; not paid",
    ),
    (
        "AnswerOverdueError",
        f"`{contract.ANSWER_OVERDUE}`",
        "an answer that the API makes has not come for too long; it may still, and is not lost",
    ),
    ("AnswerExpiredError", f"`{contract.ANSWER_EXPIRED}`", "the API does not know such an answer any more"),
    ("NoBatchError", f"`{contract.NO_BATCH}`", "the address is none that takes batches of requests"),
    (
        "BatchError",
        f"`{contract.BATCH_REFUSED}`",
        "a batch was refused because of this job's request",
    ),
    ("BatchError", f"`{contract.BATCH_LINE_FAILED}`", "a batch has ended without an answer to this job"),
    ("BatchError", f"`{contract.BATCH_EXPIRED}`", "the day was over before this job's turn; not paid"),
    ("BatchError", f"`{contract.BATCH_CANCELLED}`", "somebody has cancelled the batch; not paid"),
    (
        "BatchError",
        f"`{contract.ANSWER_EXPIRED}`",
        "the file with the answers of a batch is not there any more",
    ),
    ("InvalidInputsError", f"`{contract.INVALID_INPUTS}`", "inputs are wrong; the message has all of them"),
    (
        "MappingError",
        f"`{contract.MAPPING_FAILED}`",
        "the result expression failed on an answer, which is kept",
    ),
    ("AnswerError", f"`{contract.ANSWER_EMPTY}`", "the answer has no text, and nothing in its place"),
    (
        "AnswerError",
        f"`{contract.ANSWER_TRUNCATED}`",
        "the answer is cut off: *Maximum tokens*, or the model's own",
    ),
    ("AnswerError", f"`{contract.ANSWER_REFUSED}`", "the model refused; its words are in `output.refusal`"),
    ("AnswerError", f"`{contract.ANSWER_FILTERED}`", "a content filter held the answer back"),
    ("AnswerError", f"`{contract.ANSWER_NOT_JSON}`", "JSON was asked for, and the answer is not JSON"),
    ("AnswerError", f"`{contract.ANSWER_OFF_SCHEMA}`", "the answer is JSON, but not as *JSON schema* has it"),
)

COST: Final[dict[str, str]] = {
    "cost": "what the answer cost, all calls for it together, once: `{amount, currency, priceDate}`; null "
    "where [that is not known](../operators/costs.md)",
    "costReason": "why it is not known, as a sentence; null where it is",
}
OUTPUTS: Final[Mapping[str, dict[str, str]]] = {
    "chat": {
        "text": "the answer",
        "responses": "all answers, in order, when *Choices to generate* is above 1",
        "chatHistory": "the messages sent and the answers, calls of tools among them: give it to the next "
        "task's *Chat history*, whichever *API* that has",
        "finishReason": "why the model ended, as the API gave it; of the Responses API `stop`, `length`, "
        "`content_filter` or `tool_calls`",
        "usage": "the tokens used, as the API gave them",
        "model": "the model that answered, as the API gave it",
        "json": "the answer parsed, when a JSON *Response format* was asked for",
        "refusal": "why the model refused, as the API gave it; null if it did not",
        "condition": "`AS_ASKED`, or the code that tells [how the answer is other](error-codes.md)",
        "calls": "how many calls were made for this answer: 2 where the model was asked again",
        "toolCalls": "what the model asks the process to do: a list of `{id, name, arguments, "
        "argumentsValid}`, empty where it asks for nothing. `arguments` is a context, or the model's own "
        "text where that is no JSON object: `argumentsValid` is false then",
        "tokens": "the tokens used, by the same names for all APIs: `{input, output, total, cached, "
        "cacheWrite, reasoning}`, null where the API does not tell",
    },
    "moderation": {
        "flagged": "true when any result, or any category of one, says so; an answer from which it cannot be "
        "told for every string is no answer (`INVALID_RESPONSE`), never false",
        "flaggedCategories": "their names, the highest score first",
        "categoryScores": "each category's score, the highest of all strings",
    },
}

RULES: Final[Mapping[str, tuple[str, str]]] = {
    "acts-on-success": (
        "warning",
        "the error expression acts on each success too: it has no condition on an error",
    ),
    "answer-needed": (
        "warning",
        "*Answer needed* does not go with a request timeout, or with a base URL of another server",
    ),
    "bad-error-expression": (
        "error",
        "the error expression fails, or gives no action, on a sample answer or a sample error",
    ),
    "bad-header": (
        "error, warning",
        "a header of the task is wrong: an expression, a duration, the name of a variable",
    ),
    "bad-input": ("error", "an input, or the number of retries, has a value that is refused"),
    "bad-schema-name": ("error", "the JSON schema's name has characters that the API refuses"),
    "feel-syntax": ("error", "an expression has a syntax error"),
    "gives-null": (
        "warning",
        "an expression, or a part of it, gives null whatever the process holds: FEEL's reason",
    ),
    "header-name": (
        "warning",
        "an expression reads an HTTP header that servers usually write otherwise: capitals count",
    ),
    "header-twice": ("warning", "a header of the task is given more than once: one of them is lost"),
    "json-not-said": (
        "error",
        "*JSON object* is asked for, but no message has the word JSON: the API refuses that",
    ),
    "literal-key": ("error", "the diagram holds a key; use a secret"),
    "looks-like": (
        "warning",
        "the task has inputs of Camunda's templates, but another job type or operation: it is not checked",
    ),
    "loose-schema": ("error", "a strict JSON schema lacks what the API demands"),
    "lost-result": ("error", "a result has the name of a local variable and would be lost"),
    "mapped-twice": ("warning", "an input is mapped more than once: only the last mapping counts"),
    "misplaced-action": (
        "error",
        "the result expression gives an action together with variables, or inside of one",
    ),
    "misplaced-secret": ("error", "a secret is in an input where it is not resolved"),
    "model-and-api": (
        "error, warning",
        "OpenAI does not serve the model by the API chosen, or not with tools",
    ),
    "model-shutdown": ("error, warning", "the model is shut down (error) or about to be (warning)"),
    "never-true": (
        "warning",
        "the error expression compares a text such as `error.code` with a number, or a number with a text",
    ),
    "no-context": ("error", "the result expression gives no context"),
    "no-source": (
        "error, warning",
        "an input mapping has no source: engines before 8.8 refuse the diagram (an error where it names one "
        "of them, a warning where it names none)",
    ),
    "not-migratable": ("warning", "`migrate` cannot carry the task over"),
    "refused-parameter": ("error, warning", "the model's family refuses a parameter"),
    "temperature-and-top-p": ("warning", "both are given: set one of them"),
    "unknown-function": ("warning", "a result or error expression calls a function that there is not"),
    "unknown-input": ("error", "the worker does not know this input"),
    "unknown-key": (
        "warning",
        "an expression, or a JSONPath, reads a key of `output`, the response, the error or the job that "
        "there is not, or a key of a text; one that `is defined` or `get value` asks for is no finding",
    ),
    "unknown-model": (
        "warning",
        "the model is not among OpenAI's of the date in the message: check its name",
    ),
    "unreadable": ("error", "the file cannot be read"),
    "unseen-variable": (
        "warning",
        "an expression reads a variable that it does not see, such as one of the process; names in a filter, "
        "and all that FEEL's own scopes supply, are no finding",
    ),
    "unused-input": ("warning", "the input does not belong to the operation and is ignored"),
}


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def errors() -> str:
    """Return the types and codes that users compare."""
    rows = ((f"`{kind}`", code, about) for kind, code, about in ERRORS)
    return _table(("`error.type`", "`error.code`", "When"), rows)


def retry_policy() -> str:
    """Return what a failed call means for the job."""
    return _table(("Failure", "Is", "What to do"), _failures())


def _failures() -> Iterator[tuple[str, str, str]]:
    for name, recovery in policy.CODES.items():
        yield f"`error.code` or `error.type` of the API is `{name}`", recovery.value, ADVICE[name](**PANEL)
    waits = " and ".join(str(status) for status in policy.WAIT_STATUSES)
    yield f"status {waits} with a wait", "rate-limited", "The job goes back for that long"
    for name, recovery in policy.STATUSES.items():
        yield f"status {name}", recovery.value, ADVICE[name](**PANEL)
    for old, new in policy.OLD_NUMBERS.items():
        yield f"status {old}", f"as {new}", "An old number of the same"
    yield "a wait beyond what is left of `CONNECTOR_MAX_WAIT_TIME`", "permanent", "The message names the time"
    yield "success with a blank body of some bytes", "transient", ADVICE["blank"](**PANEL)
    yield "success with an error in the body", "as that error's code", "See below"
    yield "timeout, connection", "transient", "Possibly paid where the message says so"
    yield "connection or status 5xx, after another job's of the same host", "held back", "Costs time alone"
    yield "nothing was sent: a limit, an outage, a share", "held back", "Costs time alone, or nothing"
    yield "tunnel refused by the proxy (4xx)", "permanent", ADVICE["no_tunnel"](**PANEL)
    yield "every other [error code](error-codes.md)", "permanent", "The message says what to correct"


def inputs() -> str:
    """Return the variables of all fields, with the operations that have them."""
    return _table(("Field", "Variable", "Of"), _inputs())


def _inputs() -> Iterator[tuple[str, str, str]]:
    yield "Operation", f"`{OPERATION_INPUT}`", "every task"
    models: list[tuple[str, type[Inputs]]] = [("every task", Endpoint)]
    models += [(kind.label, kind) for kind in OPERATIONS.values()]
    found: dict[str, tuple[str, list[str]]] = {}
    for of, model in models:
        for field in model.model_fields.values():  # a field of two models is one input
            found.setdefault(str(field.alias), (str(field.title), []))[1].append(of)
    for alias, (title, having) in found.items():
        yield title, f"`{alias}`", having[0] if having[0] == "every task" else ", ".join(having)


def outputs() -> str:
    """Return the keys of each operation's `output`."""
    return "\n\n".join(
        _table(
            (f"`output` of {kind.label.lower()}", "Is"),
            ((f"`{key}`", (OUTPUTS[name] | COST)[key]) for key in (*kind.outputs(), *SHOWN)),
        )
        for name, kind in OPERATIONS.items()
    )


def rules() -> str:
    """Return what `lint` finds."""
    return _table(("Rule", "Severity", "Found"), ((f"`{rule}`", *about) for rule, about in RULES.items()))


def messages() -> str:
    """Return every sentence about a job, by id; what is filled in stands as code."""
    rows = ((f"`{name}`", _shown(sentence.text)) for name, sentence in SENTENCES.items())
    return _table(("Id", "Message"), rows)


def _shown(text: str) -> str:
    filled = re.sub(r"(?<!\{)\{(\w+)\}(?!\})", r"`\1`", text.strip().removeprefix(". "))
    return filled.replace("{{", "{").replace("}}", "}").replace("|", "\\|")


def metrics() -> str:
    """Return every metric."""
    rows = (
        (f"`{series.name}`", series.kind, ", ".join(f"`{label}`" for label in series.labels), series.about)
        for series in Metrics().all()
    )
    return _table(("Metric", "Type", "Labels", "What it is"), rows)


def traces() -> str:
    """Return every name that stands in traces."""
    rows = ((f"`{one.name}`", one.part, one.about) for one in names.ALL)
    return _table(("Name", "Stands in", "What it is"), rows)


TABLES: Final = {
    "errors": errors,
    "inputs": inputs,
    "messages": messages,
    "metrics": metrics,
    "outputs": outputs,
    "policy": retry_policy,
    "rules": rules,
    "settings": settings.as_markdown,
    "traces": traces,
}


def current(text: str) -> str:
    """Return a page's text with its tables as the code has them."""
    for name, table in TABLES.items():
        begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        if begin in text:
            before, after = text.split(begin, 1)
            text = f"{before}{begin}\n{table()}\n\n{end}{after.split(end, 1)[1]}"
    return text


if __name__ == "__main__":
    for page in sorted(FOLDER.rglob("*.md")):
        page.write_text(current(page.read_text("utf-8")), "utf-8")
