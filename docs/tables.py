"""Writes the generated tables of the README: `make docs`. A test says when they are not current."""

from __future__ import annotations

from pathlib import Path

from openai_connector import contract, settings
from openai_connector.contract import PANEL
from openai_connector.openai_api import policy
from openai_connector.wording import ADVICE

README = Path(__file__).parent.parent / "README.md"

ERRORS = (
    ("ApiStatusError", "the HTTP status, such as `429`", "the API answered with a status of 400 or above"),
    ("ApiTimeoutError", f"`{contract.CONNECTION_FAILED}`", "no answer in time; possibly paid"),
    ("ApiConnectionError", f"`{contract.CONNECTION_FAILED}`", "no connection, or it broke in mid-call"),
    ("ApiConnectionError", f"`{contract.TLS_FAILED}`", "no secure connection: certificate not trusted"),
    ("InvalidResponseError", f"`{contract.INVALID_RESPONSE}`", "a redirect, no JSON, or no answer in it"),
    ("HostRefusedError", f"`{contract.HOST_NOT_ALLOWED}`", "the base URL's host is not allowed"),
    ("SecretError", "`SECRET_NOT_AVAILABLE`", "a secret is missing or empty"),
    ("InvalidInputsError", "`INVALID_INPUTS`", "inputs are wrong; the message has all of them"),
    ("MappingError", "`MAPPING_FAILED`", "the result expression failed on an answer, which is kept"),
)


def errors() -> str:
    """List the types and codes that users compare."""
    rows = [f"| `{kind}` | {code} | {about} |" for kind, code, about in ERRORS]
    return "\n".join(["| `error.type` | `error.code` | When |", "|---|---|---|", *rows])


def recoveries() -> str:
    """List what a failed call means."""
    rows = [
        f"| `error.code` or `error.type` of the API is `{name}` | {recovery.value} | {ADVICE[name](**PANEL)} |"
        for name, recovery in policy.CODES.items()
    ]
    waits = " and ".join(str(status) for status in policy.WAIT_STATUSES)
    rows.append(f"| status {waits} with a wait | rate-limited | The job goes back for at least that long |")
    rows += [
        f"| status {name} | {recovery.value} | {ADVICE[name](**PANEL)} |"
        for name, recovery in policy.STATUSES.items()
    ]
    rows += [
        "| timeout, connection | transient | Possibly paid where the message says so |",
        "| anything else above | permanent | The message says what to correct |",
    ]
    return "\n".join(["| Failure | Another attempt | What to do |", "|---|---|---|", *rows])


TABLES = {"errors": errors, "policy": recoveries, "settings": settings.as_markdown}


def current(text: str) -> str:
    """Put the tables into the README's text."""
    for name, table in TABLES.items():
        begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        before, after = text.split(begin, 1)
        text = f"{before}{begin}{table()}\n{end}{after.split(end, 1)[1]}"
    return text


if __name__ == "__main__":
    README.write_text(current(README.read_text("utf-8")), "utf-8")
