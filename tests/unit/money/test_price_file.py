"""Files that are wrong: each is refused with its place, what is wrong there, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from openai_connector.money import Cost, Prices, Used
from openai_connector.settings import SettingsError, load

HEAD = 'currency = "USD"\ndate = 2026-11-01\n[hosts."h.example".models.m]\n'
WRONG = {
    "no TOML": ("input = = 1", "line 1"),
    "a brace too few": ('currency = "USD"\n[hosts.h\ninput = 1', "line 2"),
    "twice the same key": (HEAD + "input = 1\ninput = 2", "line 5"),
    "a key with a mistake": (HEAD + "inptu = 1", "models.m.inptu is not known here; did you mean input?"),
    "a key of nowhere": (HEAD + "input = 1\nvat = 19", "vat is not known here; there are"),
    "a host without quotes": (
        "[hosts.llm.example.com.models.m]\ninput = 1",
        "a name with a dot stands in quotes",
    ),
    "a model without quotes": ('[hosts."h".models.gpt-5.4]\ninput = 1', "a name with a dot stands in quotes"),
    "no input": (HEAD + "output = 1", "has no input: add"),
    "a price as text": (HEAD + 'input = "1"', "models.m.input must be a number"),
    "a price of a million too much": (HEAD + "input = 1e9", "from 0 to"),
    "no currency": ('[hosts."h".models.m]\ndate = 2026-11-01\ninput = 1', "has no currency: add"),
    "no date": ('currency = "USD"\n[hosts."h".models.m]\ninput = 1', "has no date: add date = 2026-11-05"),
    "a sign for a currency": ('currency = "$"', "currency must be three capital letters"),
    "a date of no calendar": (HEAD + 'date = "soon"\ninput = 1', "models.m.date must be a day"),
    "a moment for a date": (HEAD + "date = 2026-11-01T10:00:00\ninput = 1", "must be a day"),
    "a source that is none": (HEAD + "source = 1\ninput = 1", "source must be text"),
    "a tier that is none": (HEAD + "input = 1\ntiers = { bath = 0.5 }", "tiers.bath is not known here"),
    "a tier without a number": (HEAD + 'input = 1\ntiers = { batch = "half" }', "tiers.batch must be"),
    "dated as text": (HEAD + 'input = 1\ndated = "yes"', "dated must be true or false"),
    "steps that are none": (HEAD + "input = 1\nlong = 5", "long must be a list"),
    "a step from nowhere": (HEAD + "input = 1\nlong = [{ input = 2 }]", "above must be a number of"),
    "two steps of one number": (
        HEAD + "input = 1\nlong = [{ above = 9, input = 2 }, { above = 9, input = 3 }]",
        "the same number of tokens twice",
    ),
    "a URL for a host": (
        'currency = "USD"\n[hosts."https://h.example/v1".models.m]\ninput = 1',
        "is no host: write it as in api.example.com",
    ),
    "hosts as a list": ("hosts = [1]", "hosts must be a table"),
    "a host as text": ('[hosts]\nh = "x"', "hosts.h must be a table"),
    "a model as a number": ("[hosts.h.models]\nm = 1", "models.m must be a table"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message names the line or the key, and what it takes."""
    file = tmp_path / "prices.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"\w") as refused:
        Prices.of_file(file)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read (No such file", id="not there"),
        pytest.param(b"\xff\xfe\x00", "UTF-8", id="no text"),
        pytest.param(b"hosts = 1", "hosts must be a table", id="wrong"),
    ],
)
def test_the_worker_does_not_start_with_a_wrong_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    """The setting is named, and what is wrong with its file."""
    file = tmp_path / "prices.toml"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("CONNECTOR_PRICES", str(file))
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith("CONNECTOR_PRICES: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "form", ["\ufeff{}", "{}\r\n", "# from Excel\n\n{}"], ids=["mark", "line end", "comment"]
)
def test_a_file_of_any_editor_is_read(tmp_path: Path, form: str) -> None:
    """A byte order mark, line ends of Windows and comments are no part of the prices."""
    file = tmp_path / "prices.toml"
    file.write_bytes(form.format((HEAD + "input = 1").replace("\n", "\r\n")).encode())
    assert isinstance(Prices.of_file(file).cost(Used("m", "h.example", 10, 0)), Cost)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    """Without hosts, all prices are the packaged ones."""
    file = tmp_path / "prices.toml"
    file.write_text("", "utf-8")
    used = Used("gpt-6-luna", "api.openai.com", 10, 10)
    assert Prices.of_file(file).cost(used) == Prices.packaged().cost(used)
