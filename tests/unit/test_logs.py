"""Logs: their two forms, and what stands in none of them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from openai_connector.telemetry.logs import JsonFormatter, configure


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Take back what `configure` does to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("httpx", "httpcore", "aiohttp", "grpc", "asyncio")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def test_text_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """One line with time, level, logger and message, from the set level on."""
    configure("INFO", "text")
    logging.getLogger("a.b").info("job %d", 5)
    logging.getLogger("a.b").debug("not shown")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.rstrip().endswith("INFO a.b: job 5")
    assert "not shown" not in captured.err


def test_json_has_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks, quotes, lone surrogates and exceptions do not break a line."""
    configure("DEBUG", "json")
    logging.getLogger("a").warning('two\nlines "quoted" %s \ud800', "ä")
    try:
        raise ValueError("reason")
    except ValueError:
        logging.getLogger("a").exception("failed")
    lines = capsys.readouterr().err.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert set(first) == {"timestamp", "severity", "logger", "message"}
    assert (first["severity"], first["logger"]) == ("WARNING", "a")
    assert first["message"].startswith('two\nlines "quoted" ä')
    assert first["timestamp"].endswith("+00:00")
    assert "ValueError: reason" in second["exception"]


@pytest.mark.parametrize("name", ["httpx", "httpcore", "aiohttp.client", "grpc", "asyncio"])
def test_7_libraries_do_not_log_addresses(name: str) -> None:
    """At DEBUG, only warnings of the libraries pass: they log URLs and headers."""
    configure("DEBUG", "text")
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger("openai_connector").isEnabledFor(logging.DEBUG)


def test_an_exception_is_part_of_the_record() -> None:
    """The formatter alone gives the traceback a key of its own."""
    try:
        raise KeyError("k")
    except KeyError:
        record = logging.LogRecord("a", logging.ERROR, "f", 1, "m", None, sys.exc_info())
    assert "KeyError" in json.loads(JsonFormatter().format(record))["exception"]
