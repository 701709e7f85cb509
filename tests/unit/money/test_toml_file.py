"""What files of prices and of budgets have in common is refused in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from openai_connector.money import Prices
from openai_connector.money.budgets import Budgets

Reader = Callable[[Path], object]
PRICES = 'currency = {currency}\ndate = 2026-11-01\n[hosts."h.example".models.m]\ninput = {amount}'
BUDGETS = '[[budget]]\nname = "b"\nper = "day"\ncurrency = {currency}\namount = {amount}'
BOTH = pytest.mark.parametrize(
    ("read", "form"),
    [pytest.param(Prices.of_file, PRICES, id="prices"), pytest.param(Budgets, BUDGETS, id="budgets")],
)


def complaint(read: Reader, path: Path) -> str:
    """Return what is said of a file."""
    with pytest.raises(ValueError, match=r"\w") as refused:
        read(path)
    return str(refused.value)


@BOTH
@pytest.mark.parametrize(
    ("currency", "amount", "said"),
    [
        pytest.param('"$"', "1", "currency must be three capital letters in quotes", id="a_sign"),
        pytest.param('"usd"', "1", "currency must be three capital letters in quotes", id="small_letters"),
        pytest.param("840", "1", "currency must be three capital letters in quotes", id="a_number"),
        pytest.param('"USD"', "'1'", " must be a number from 0 to 1", id="in_quotes"),
        pytest.param('"USD"', "true", " must be a number from 0 to 1", id="a_switch"),
        pytest.param('"USD"', "-1", " must be a number from 0 to 1", id="below_nothing"),
        pytest.param('"USD"', "1e10", " must be a number from 0 to 1", id="too_much"),
        pytest.param('"USD"', "inf", " must be a number from 0 to 1", id="without_end"),
        pytest.param('"USD"', "nan", " must be a number from 0 to 1", id="no_number"),
        pytest.param('"USD"', "1.1234567890123", "has too many digits: at most 12", id="digits"),
        pytest.param('"USD"', "1e-99999999", "has too many digits: at most 12", id="a_small_amount"),
        pytest.param('"USD"', "=", "the file is no TOML: ", id="no_toml"),
        pytest.param('"USD"', "1e99999999999999999999", "a number that is too large", id="beyond_all"),
        pytest.param('"USD"', f"1\nx = {'[' * 5000}", "is nested too deep", id="too_deep"),
        pytest.param(
            '"USD"', "1\ncurency = 1", "curency is not known here; did you mean currency?", id="key"
        ),
    ],
)
def test_what_is_wrong_in_both(
    tmp_path: Path, read: Reader, form: str, currency: str, amount: str, said: str
) -> None:
    """An operator reads of one mistake the same sentence, whichever file it is in."""
    file = tmp_path / "file.toml"
    file.write_text(form.format(currency=currency, amount=amount), "utf-8")
    assert said in complaint(read, file)


@BOTH
def test_what_cannot_be_read(tmp_path: Path, read: Reader, form: str) -> None:
    """A file that is away, of another encoding, or of no possible name: its name is not shown."""
    file = tmp_path / "sk-abc.toml"
    file.write_bytes(form.format(currency='"USD"', amount="1").encode("utf-16"))
    said = [complaint(read, file), complaint(read, tmp_path / "sk-abd"), complaint(read, Path("sk-\0"))]
    assert [sentence.partition(":")[0] for sentence in said] == [
        "the file is no text in UTF-8",
        "the file cannot be read (No such file or directory)",
        "the file cannot be read (no name of a file)",
    ]


@BOTH
def test_the_most_digits_are_read(tmp_path: Path, read: Reader, form: str) -> None:
    """Twelve digits after the point are an amount."""
    file = tmp_path / "file.toml"
    file.write_text(form.format(currency='"USD"', amount="0.123456789012"), "utf-8")
    read(file)
