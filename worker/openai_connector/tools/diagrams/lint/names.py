"""Rules for the names in result and error expressions: whether there is such a variable, and such a key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

from openai_connector.contract import ERROR_EXPRESSION, HEADER_LABELS, RESULT_EXPRESSION
from openai_connector.money import PARTS, SHOWN
from openai_connector.tasks.operations import OPERATIONS
from openai_connector.tasks.operations.tokens import TOKENS
from openai_connector.tools.diagrams.camunda import template_of
from openai_connector.tools.diagrams.lint.subject import Finding, Subject
from openai_connector.tools.diagrams.reads import Path, Reads, json_paths_of, reads_of

_RESPONSE = ("status", "headers", "body", "output")
_OF_CAMUNDAS_RUNTIME = ("reason", "document")
"""What Camunda's runtime gives beside them to tasks of its own templates."""
_SCALARS: Mapping[Path, str] = {
    ("status",): "number",
    ("output", "text"): "text",
    ("output", "finishReason"): "text",
    ("output", "model"): "text",
    ("output", "refusal"): "text",
    ("output", "condition"): "text",
    ("output", "calls"): "number",
    ("output", "flagged"): "boolean",
    ("output", "costReason"): "text",
    ("output", "cost", "amount"): "number",
    ("output", "cost", "currency"): "text",
    ("output", "cost", "priceDate"): "text",
    ("error", "type"): "text",
    ("error", "code"): "text",
    ("error", "message"): "text",
    ("job", "retries"): "number",
}
"""What is no context: it has no keys, and is only ever equal to its like."""
_QUOTES = {
    ("text", "number"): '. Put the number in quotes, as in "429"',
    ("number", "text"): ". Write the number without quotes",
    ("boolean", "text"): ". Write true or false without quotes",
}
_USUAL = {
    name.lower(): name
    for name in (
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Date",
        "ETag",
        "Expires",
        "Location",
        "Retry-After",
        "Server",
        "Set-Cookie",
        "Transfer-Encoding",
        "openai-organization",
        "openai-processing-ms",
        "openai-version",
        "x-request-id",
    )
}
"""Names of HTTP headers as servers usually write them."""


def names_read(subject: Subject, results: Collection[str]) -> Iterator[Finding]:
    """Check the names in both expressions.

    Args:
        subject: the task.
        results: names of the variables that it sets, which its error expression sees.
    """
    for key in (RESULT_EXPRESSION, ERROR_EXPRESSION):
        is_error = key == ERROR_EXPRESSION
        keys = _keys(subject, is_error=is_error)
        seen = {*_RESPONSE, "response", *(("error", "job", *results) if is_error else ())}
        if template_of(subject.task) is not None:
            seen.update(_OF_CAMUNDAS_RUNTIME)
        label, line = HEADER_LABELS[key], subject.line_of_header(key)
        reads = reads_of(subject.headers.get(key, ""))
        paths = reads.paths
        yield from _unknown_functions(label, reads, line)
        for name in sorted({path[0] for path in paths} - seen):
            message = (
                f"{label} reads '{name}', which it does not see: it knows the response, not the "
                "variables of the process"
            )
            yield Finding("unseen-variable", "warning", message, line)
        hidden = set(results) if is_error else set()  # a result of such a name is what is read
        for path in (*paths, *json_paths_of(subject.headers.get(key, ""))):
            if path[0] not in hidden:
                if path not in reads.asked:  # whoever asks whether it is there knows that it may not be
                    yield from _unknown_key(label, path, keys, line)
                yield from _spelled_otherwise(label, path, line)
        if is_error:
            seen_here = [(path, kind) for path, kind in reads.comparisons if path[0] not in hidden]
            yield from _compared_otherwise(label, seen_here, line)


def unknown_functions(reads: Reads) -> list[str]:
    """Return the functions that an expression calls and that neither FEEL nor the runtime has."""
    from camunda_feel.builtins import BUILTINS
    from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS

    return sorted(reads.functions - BUILTINS.by_name.keys() - CONNECTOR_FUNCTIONS.by_name.keys())


def _unknown_functions(label: str, reads: Reads, line: int) -> Iterator[Finding]:
    from camunda_feel.builtins import BUILTINS
    from openai_connector.outcome.feel_functions import CONNECTOR_FUNCTIONS

    for name in unknown_functions(reads):
        close = difflib.get_close_matches(name, (*CONNECTOR_FUNCTIONS.by_name, *BUILTINS.by_name), 1)
        meant = f"; is {close[0]} meant?" if close else ""
        message = f"{label} calls {name}, a function that there is not, so that it gives null there{meant}"
        yield Finding("unknown-function", "warning", message, line)


def _compared_otherwise(label: str, comparisons: Iterable[tuple[Path, str]], line: int) -> Iterator[Finding]:
    """Report comparisons that are never true: FEEL takes no text for a number."""
    for path, kind in comparisons:
        known = _SCALARS.get(path[1:] if path[0] == "response" else path)
        if known is not None and known != kind:
            hint = _QUOTES.get((known, kind), "")
            what = f"{'.'.join(path)}, which is a {known}, with a {kind}"
            message = f"{label} compares {what}: that is never true{hint}"
            yield Finding("never-true", "warning", message, line)


def _keys(subject: Subject, *, is_error: bool) -> Mapping[Path, tuple[str, ...]]:
    """Return the keys of each context that is known to have these and no others."""
    more = _OF_CAMUNDAS_RUNTIME if template_of(subject.task) is not None else ()
    keys: dict[Path, tuple[str, ...]] = {
        ("response",): (*_RESPONSE, *more, *(("error",) if is_error else ())),
    }
    operation = OPERATIONS.get(subject.operation)
    if operation is not None:
        outputs = (*operation.outputs(), *SHOWN)
        keys |= {("output",): outputs, ("response", "output"): outputs}
        if "tokens" in outputs:
            keys |= {("output", "tokens"): TOKENS, ("response", "output", "tokens"): TOKENS}
        keys |= {("output", "cost"): PARTS, ("response", "output", "cost"): PARTS}
    if is_error:
        error = ("type", "code", "message", "variables")
        keys |= {("error",): error, ("response", "error"): error, ("job",): ("retries",)}
    return keys


def _unknown_key(
    label: str, path: Path, keys: Mapping[Path, tuple[str, ...]], line: int
) -> Iterator[Finding]:
    for end in range(1, len(path)):
        kind = _SCALARS.get(path[1:end] if path[0] == "response" else path[:end])
        if kind is not None:
            message = (
                f"{label} reads {'.'.join(path[: end + 1])}, which there is not: {'.'.join(path[:end])} is a "
                f"{kind}"
            )
            yield Finding("unknown-key", "warning", message, line)
            return
        known = keys.get(path[:end])
        if known is not None and path[end] not in known:
            close = difflib.get_close_matches(path[end], known, 1)
            meant = f"; is {close[0]} meant?" if close else ""
            message = (
                f"{label} reads {'.'.join(path[: end + 1])}, which there is not: {'.'.join(path[:end])} has "
                f"{', '.join(known)}{meant}"
            )
            yield Finding("unknown-key", "warning", message, line)
            return


def _spelled_otherwise(label: str, path: Path, line: int) -> Iterator[Finding]:
    for before, name in pairwise(path):
        usual = _USUAL.get(name.lower())
        if before == "headers" and usual is not None and usual != name:
            message = (
                f"{label} reads the header {name}: names of headers are case-sensitive in expressions, and "
                f"servers usually write {usual}"
            )
            yield Finding("header-name", "warning", message, line)
