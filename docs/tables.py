"""Writes the generated tables of the README: `make docs`. A test says when they are not current."""

from __future__ import annotations

from pathlib import Path

from openai_connector import settings
from openai_connector.openai_api import policy

README = Path(__file__).parent.parent / "README.md"

ERRORS = (
    ("ApiStatusError", "the HTTP status, such as `429`", "the API answered with a status of 400 or above"),
    ("ApiTimeoutError", f"`{policy.TIMEOUT}`", "no answer in time; possibly paid"),
    ("ApiConnectionError", f"`{policy.CONNECTION}`", "no connection, or it broke in mid-call"),
    ("ApiConnectionError", f"`{policy.TLS}`", "no secure connection: certificate not trusted"),
    ("InvalidResponseError", f"`{policy.INVALID_RESPONSE}`", "a redirect, no JSON, or no answer in it"),
    ("HostRefusedError", f"`{policy.HOST_NOT_ALLOWED}`", "the base URL's host is not allowed"),
    ("SecretError", "`SECRET_NOT_AVAILABLE`", "a secret is missing or empty"),
    ("InvalidInputsError", "`INVALID_INPUTS`", "inputs are wrong; the message has all of them"),
    ("MappingError", "`MAPPING_FAILED`", "the result expression failed on an answer, which is kept"),
)


def errors() -> str:
    """List the types and codes that users compare."""
    rows = [f"| `{kind}` | {code} | {about} |" for kind, code, about in ERRORS]
    return "\n".join(["| `error.type` | `error.code` | When |", "|---|---|---|", *rows])


def verdicts() -> str:
    """List what a failed call means."""
    rows = [
        f"| `error.code` or `error.type` of the API is `{name}` | {verdict.value} | {advice} |"
        for name, (verdict, advice) in policy.CODES.items()
    ]
    waits = " and ".join(str(status) for status in policy.WAIT_STATUSES)
    rows.append(f"| status {waits} with a wait | told to wait | The job goes back for at least that long |")
    rows += [
        f"| status {name} | {verdict.value} | {advice} |"
        for name, (verdict, advice) in policy.STATUSES.items()
    ]
    rows += [
        "| timeout, connection | passing | Possibly paid where the message says so |",
        "| anything else above | final | The message says what to correct |",
    ]
    return "\n".join(["| Failure | Verdict | What to do |", "|---|---|---|", *rows])


TABLES = {"errors": errors, "policy": verdicts, "settings": settings.as_markdown}


def current(text: str) -> str:
    """Put the tables into the README's text."""
    for name, table in TABLES.items():
        begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        before, after = text.split(begin, 1)
        text = f"{before}{begin}{table()}\n{end}{after.split(end, 1)[1]}"
    return text


if __name__ == "__main__":
    README.write_text(current(README.read_text("utf-8")), "utf-8")
