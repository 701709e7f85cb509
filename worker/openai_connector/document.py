"""JSON read strictly, and variables as a JSON document that the engine takes, checked before they are sent.

Measured on Zeebe 8.5.8 and 8.6.0: a document nested some 2,000 levels deep shuts the whole broker down, one
of 3 MB is refused with a status that looks transient, and NaN or an integer beyond 64 bits leaves the job
activated until its lease is over.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from openai_connector import wording
from openai_connector.contract import FORBIDDEN_KEY

MAX_DEPTH = 200  # levels of nested objects and arrays
MAX_READ_DEPTH = 500  # of JSON that is read: Python 3.11 itself cannot read some 990
MAX_BYTES = 3 * 1024 * 1024 // 2  # UTF-8 bytes; the limit of Camunda's own connector runtime
MAX_STORED_BYTES = 2_000_000  # in the engine's own form, MessagePack: 2 MB are taken, 3 MB are not
STORED_DOUBLE_BYTES = 9  # whatever its text: a list of 0.5 is stored in more than twice the bytes of its JSON
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1  # what the engine keeps to the last digit (measured)


class DocumentError(ValueError):
    """The variables cannot be sent to the engine; the message says which one, and why."""


def parse_json(text: str | bytes, *, max_depth: int = MAX_READ_DEPTH) -> Any:
    """Read JSON text strictly: NaN and infinities are refused.

    Integers that the engine cannot keep (below -2^63, from 2^64 on) become doubles.

    Raises:
        NestedTooDeepError: deeper than `max_depth`.
        ValueError: not JSON, or a number beyond the range of a double.
    """
    return _read(text if isinstance(text, str) else text.decode(), _DECODER, max_depth)


def parse_answer(text: str) -> Any:
    """Read the JSON text of an API's answer, which is paid for: what cannot be kept of it is null.

    NaN and infinities, which some servers write for log probabilities, and numbers beyond a double become
    null. A byte order mark and lines of comments (`: ...`), with which servers keep a connection alive, may
    stand before it. Of a key that comes twice the last one counts.

    Raises:
        NestedTooDeepError: deeper than `MAX_READ_DEPTH`.
        ValueError: not JSON.
    """
    before = _BEFORE_AN_ANSWER.match(text)
    return _read(text[before.end() :] if before else text, _ANSWER_DECODER, MAX_READ_DEPTH)


def _read(text: str, decoder: json.JSONDecoder, max_depth: int) -> Any:
    try:
        value = decoder.decode(text)
    except RecursionError:
        raise NestedTooDeepError("nested too deep") from None
    # Python's versions let the parser go to different depths; few texts have so many brackets at all.
    if text.count("[") + text.count("{") > max_depth and depth_of(value) > max_depth:
        raise NestedTooDeepError("nested too deep")
    return value


def depth_of(value: object) -> int:
    """Count levels of nested objects and arrays, without recursion."""
    depth, level = 0, [value]
    while level:
        inside = (
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, (dict, list))
        )
        level = [value for values in inside for value in values if isinstance(value, (dict, list))]
        depth += 1
    return depth


class NestedTooDeepError(ValueError):
    """JSON text is nested deeper than can be read."""


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int | float:
    # Digits are counted first: reading millions of them would take seconds (and Python refuses above 4,300).
    if len(digits) <= 20 and MIN_INTEGER <= (number := int(digits)) <= MAX_INTEGER:
        return number
    return _double(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of a double")
    return number


def _integer_or_null(digits: str) -> int | float | None:
    try:
        return _integer(digits)
    except ValueError:
        return None


def _double_or_null(digits: str) -> float | None:
    number = float(digits)
    return None if math.isinf(number) else number


# Built once: json.loads with arguments builds one a call.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer, parse_float=_double)
_ANSWER_DECODER = json.JSONDecoder(
    parse_constant=lambda _: None, parse_int=_integer_or_null, parse_float=_double_or_null
)
# Each of its parts begins with other characters: it takes no more than one look at each.
_BEFORE_AN_ANSWER = re.compile(r"\ufeff?+(?:[ \t\r\n]++|:[^\n]*+)*+")


class Document(dict[str, Any]):
    """Variables together with their JSON text, so that they are encoded once."""

    text: str = "{}"

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Document:
        """Return variables encoded; a document is returned as it is.

        Raises:
            DocumentError: the engine would not take them.
        """
        if isinstance(variables, Document):
            return variables
        document = cls(variables)
        document.text = encode_document(document)
        return document


def encode_document(variables: Mapping[str, Any]) -> str:
    """Encode variables as compact JSON text. Lone surrogates, which UTF-8 cannot carry, become U+FFFD.

    Raises:
        DocumentError: not JSON (NaN, an unknown type, a key that is no text), an integer below -2^63 or from
            2^64 on, nested deeper than `MAX_DEPTH`, larger than `MAX_BYTES` (stored, `MAX_STORED_BYTES`), or
            with a key that is forbidden.
    """
    text, size = _written(variables)
    if (
        size > MAX_BYTES
    ):  # before its values are looked at one by one, which takes seconds for megabytes of numbers
        raise DocumentError(
            wording.DOCUMENT_TOO_LARGE(size=f"{size / 1e6:.1f}", limit=f"{MAX_BYTES / 1e6:.1f}")
        )
    growth = 0
    for name, value in variables.items():
        if not isinstance(name, str):
            raise DocumentError(wording.DOCUMENT_NAME(kind=type(name).__name__))
        if name == FORBIDDEN_KEY:
            raise DocumentError(wording.DOCUMENT_FORBIDDEN(name=name, key=FORBIDDEN_KEY))
        growth += _check(name, value)
    if not text:
        raise DocumentError(wording.DOCUMENT_UNWRITABLE())
    if size + growth > MAX_STORED_BYTES:
        stored, limit = f"{(size + growth) / 1e6:.1f}", f"{MAX_STORED_BYTES / 1e6:.1f}"
        raise DocumentError(wording.DOCUMENT_STORED_TOO_LARGE(size=stored, limit=limit))
    return text


def well_formed(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot carry, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _written(variables: Mapping[str, Any]) -> tuple[str, int]:
    """Return the variables as JSON text, and its bytes in UTF-8.

    Empty where that cannot be done, for reasons that `_check` will find.
    """
    try:
        text = _ENCODER.encode(variables)
    except (TypeError, ValueError, RecursionError):
        return "", 0
    if text.isascii():
        return text, len(text)
    text = well_formed(text)
    return text, len(text.encode())


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return dict(value)


# Built once: json.dumps with arguments builds one a call. A circle shows by its depth.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_mapping, check_circular=False)

_TEXT: Final = frozenset({str})
_PLAIN: Final = frozenset({str, bool, type(None)})
"""Types of values that nothing can be wrong with."""


def _check_keys(name: str, value: Mapping[Any, Any]) -> None:
    if not (_TEXT.issuperset(map(type, value)) or all(isinstance(key, str) for key in value)):
        raise DocumentError(wording.DOCUMENT_KEY(name=name))
    if FORBIDDEN_KEY in value:
        raise DocumentError(wording.DOCUMENT_FORBIDDEN(name=name, key=FORBIDDEN_KEY))


def _growth(name: str, number: float) -> int:
    if not math.isfinite(number):
        raise DocumentError(wording.DOCUMENT_NUMBER(name=name, value=number))
    return max(0, STORED_DOUBLE_BYTES - 1 - len(repr(number)))  # 1 for the comma after it


def _check(name: str, root: object) -> int:
    """Refuse what is no JSON for the engine, and return the bytes that doubles take there beyond their text.

    Level by level, without recursion: the value may be nested deeper than Python's own stack.
    """
    level: list[object] = [root]
    depth = 2
    growth = 0
    while level:
        below: list[object] = []
        has_containers = False
        for value in level:
            if isinstance(value, int):
                if not MIN_INTEGER <= value <= MAX_INTEGER:
                    raise DocumentError(wording.DOCUMENT_INTEGER(name=name))
            elif isinstance(value, float):
                growth += _growth(name, value)
            elif isinstance(value, (list, tuple)):
                below += [part for part in value if type(part) not in _PLAIN]
                has_containers = True
            elif isinstance(value, (dict, Mapping)):  # the first tells most at once
                _check_keys(name, value)
                below += [part for part in value.values() if type(part) not in _PLAIN]
                has_containers = True
            elif value is not None and not isinstance(value, str):
                raise DocumentError(wording.DOCUMENT_VALUE(name=name, kind=type(value).__name__))
        if has_containers and depth > MAX_DEPTH:
            raise DocumentError(wording.DOCUMENT_TOO_DEEP(name=name, limit=MAX_DEPTH))
        level = below
        depth += 1
    return growth
