"""What the commands show on any console."""

from __future__ import annotations

import io

import pytest

from openai_connector.tools.sandbox.report import value_lines
from openai_connector.tools.sandbox.terminal import Terminal, shortened


class Console(io.TextIOWrapper):
    """A console of its own encoding."""

    def __init__(self, encoding: str, *, is_terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._is_terminal

    @property
    def shown(self) -> str:
        """What was written."""
        self.seek(0)
        return self.read()


@pytest.mark.parametrize(
    ("is_terminal", "no_color", "shown"),
    [(True, False, "\x1b[31mred\x1b[0m\n"), (True, True, "red\n"), (False, False, "red\n")],
    ids=["terminal", "no colour wanted", "file"],
)
def test_styles_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, no_color: bool, shown: str
) -> None:
    """A terminal gets colours, unless nobody wants them; a file gets the text alone."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    console = Console("utf-8", is_terminal=is_terminal)
    Terminal(console).say("red", "red")
    assert console.shown == shown


def test_what_an_encoding_lacks_is_escaped() -> None:
    """A console without an alphabet shows the text's code points instead of failing."""
    console = Console("ascii", is_terminal=False)
    Terminal(console).say("größe")
    assert console.shown == "gr\\xf6\\xdfe\n"


def test_values_are_wrapped_beside_their_name() -> None:
    """A long value goes on in its own column, and its name is written once."""
    console = Console("utf-8", is_terminal=False)
    Terminal(console).say_value("name", "word " * 30)
    lines = console.shown.splitlines()
    assert [line[5:9] for line in lines] == ["name", "    "]
    assert all(line[32:].startswith("word") and len(line) < 110 for line in lines)


def test_a_long_text_is_cut_on_one_line() -> None:
    """Line breaks go, and what is left out is marked."""
    assert shortened("a\n b" * 200, 10) == "a ba ba b…"
    assert shortened(None) == ""


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        pytest.param("text", [("v", "text")], id="text"),
        pytest.param({"a": [1, "é"]}, [("v", '{"a": [1, "é"]}')], id="context"),
        pytest.param({"status": 1, "body": {}}, [("v", '{"status": 1, "body": {}}')], id="less than a response"),
        pytest.param(
            {"status": 200, "headers": {}, "body": {}, "output": {"text": None, "refusal": "no", "usage": None}},
            [
                ("v.status", "200"),
                ("  .output.text", "no"),
                ("  .output.finishReason", "None"),
                ("  .output.usage", "? tokens in, ? out"),
            ],
            id="refusal",
        ),
        pytest.param(
            {
                "status": 200,
                "headers": {},
                "body": {},
                "output": {
                    "flagged": True,
                    "flaggedCategories": ["hate"],
                    "categoryScores": {"hate": 0.9, "x": 0},
                    "cost": {"amount": 0.0000123, "currency": "USD", "priceDate": "2026-11-01"},
                },
            },
            [
                ("v.status", "200"),
                ("  .output.flagged", "true"),
                ("  .flaggedCategories", "hate"),
                ("  .categoryScores", "hate 0.900 (the highest)"),
                ("  .output.cost", "0.0000123 USD"),
            ],
            id="moderation",
        ),
    ],
)  # fmt: skip
def test_a_response_is_shown_by_its_parts(value: object, lines: list[tuple[str, str]]) -> None:
    """Of the API's response the parts are shown that diagrams use; any other value is JSON."""
    assert value_lines("v", value) == lines
