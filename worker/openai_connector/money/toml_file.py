"""What files of prices and of budgets have in common: how they are read, and what their values must be."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

_CURRENCY: Final = re.compile("[A-Z]{3}")
_PLACES: Final = 12


def text_of(path: Path) -> str:
    """Return a file's text.

    Raises:
        ValueError: it cannot be read. Its name is not shown: it may be something else that was set here.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the file is no text in UTF-8: save it as such") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise ValueError(f"the file cannot be read ({reason}): check name and permissions") from None


def content_of(text: str) -> dict[str, Any]:
    """Return what TOML says, its numbers exact.

    Raises:
        ValueError: it is no TOML, or more than can be read.
    """
    try:
        return tomllib.loads(f"{text}\n", parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"the file is no TOML: {error}") from None
    except (ArithmeticError, RecursionError):
        raise ValueError("the file has a number that is too large, or is nested too deep") from None


def check_key(key: str, known: tuple[str, ...], name: str) -> None:
    """Check a key; `name` is how a message calls it, as in the functions below.

    Raises:
        ValueError: it is not known.
    """
    if key not in known:
        near = get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"{name} is not known here; {hint}")


def currency(value: Any, name: str) -> str:
    """Return a currency.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ValueError(f'{name} must be three capital letters in quotes, such as "USD"')
    return value


def amount(value: Any, name: str, *, most: int, example: str) -> Decimal:
    """Return an amount from 0 to `most`, with at most 12 digits after the point.

    Raises:
        ValueError: it is none.
    """
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    if not is_number or not Decimal(value).is_finite() or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most}, without quotes, such as {example}")
    found = Decimal(value)
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_PLACES:
        raise ValueError(f"{name} has too many digits: at most {_PLACES} after the point")
    return found
