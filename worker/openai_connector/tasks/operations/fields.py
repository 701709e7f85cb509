"""What an input of a task may look like, and how Modeler shows it: one declaration for both.

Values come as text (typed in Modeler) or as numbers, lists and contexts (FEEL). `null`, an absent variable
and `""` (or text of nothing but white space) all mean "not given".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from openai_connector import wording
from openai_connector.contract import Input
from openai_connector.document import parse_json
from openai_connector.duration import parse_duration

SHOWN_CHARACTERS = 100  # of an offending value in a message

_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?", re.ASCII)

Choices = Mapping[str, str]
"""Values of a dropdown and the labels that a modeler sees."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How an input appears in Modeler's properties panel (the label is the pydantic field's title)."""

    group: str
    kind: Literal["String", "Text", "Dropdown"] = "String"
    feel: Literal["optional", "required"] | None = "optional"
    label: str = ""
    """Another label than the field's title, where one template needs it."""
    description: str = ""
    """May hold `<code>` and `<br>`: Modeler renders them."""
    tooltip: str = ""
    placeholder: str = ""
    default: str | None = None
    required: bool = False
    """Modeler marks an empty field as an error."""
    pattern: str | None = None
    """What a literal must look like; FEEL (`=…`) and secrets are admitted by the template generator."""
    pattern_message: str = ""
    choices: Choices = field(default_factory=dict)
    condition: tuple[str, tuple[str, ...]] | None = None
    """Shown only while another input (by its name without prefix) has one of these values."""


def declared(given: Input, *, repr: bool = True) -> Any:
    """Return the pydantic field of an input: optional, by its variable's name, titled by its label."""
    return Field(None, alias=given.name, title=given.label, repr=repr)


class Given(dict[str, Any]):
    """The inputs that a modeler gave, raw, by field name; and why others are not given."""

    def __init__(self, values: Mapping[str, Any], but: Callable[[str], str]) -> None:
        super().__init__(values)
        self.but = but
        """Returns the end of the sentence that a field is required."""


def but(variables: Mapping[str, Any], name: str) -> str:
    """Return why a required variable is not given, as the end of a sentence; empty for one that is absent."""
    if is_given(variables.get(name)) or name not in variables:
        return ""
    return wording.BUT_NULL() if variables[name] is None else wording.BUT_EMPTY()


class Inputs(BaseModel):
    """A model of flat inputs: the variable of a field is its alias, `openai_…`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[str]:
        """Return what is missing or does not fit together among the given inputs (raw, by field name)."""
        yield from ()


def violation(message: str, *, private: bool = False) -> PydanticCustomError:
    """What is wrong with an input, said after its label: "must be a number between 0 and 2".

    `private` values (prompts, histories) are never shown, others up to `SHOWN_CHARACTERS`.
    """
    return PydanticCustomError("input", "{message}", {"message": message, "private": private})


def kind_of(value: object) -> str:
    """Return a value's type as modelers know it from FEEL."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a context"
        case list() | tuple():
            return "a list"
        case _:
            return type(value).__name__


def is_given(value: object) -> bool:
    """Check whether a modeler gave this input at all; text of nothing but white space does not count."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def scalar_text(value: object) -> str | None:
    """Return the text of a string, number or boolean (as FEEL writes them); None for anything else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        case _:
            return None


def json_text(value: Any) -> str:
    """Write a JSON value as text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _validator(read: Callable[[Any], object]) -> BeforeValidator:
    return BeforeValidator(lambda value: read(value) if is_given(value) else None)


def _number(value: Any) -> Any:
    """Read a number from text; anything else stays as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def number(low: float, high: float) -> BeforeValidator:
    """Read a number between two bounds, as a number or as text."""

    def read(value: Any) -> int | float:
        got = _number(value)
        if isinstance(got, bool) or not isinstance(got, (int, float)) or not low <= got <= high:
            raise violation(wording.INPUT_NUMBER(low=f"{low:g}", high=f"{high:g}"))
        return got

    return _validator(read)


def whole_number(low: int) -> BeforeValidator:
    """Read a whole number from a lower bound on; 3.0 counts as 3."""

    def read(value: Any) -> int:
        got = _number(value)
        if isinstance(got, float) and math.isfinite(got) and got.is_integer():
            got = int(got)
        if isinstance(got, bool) or not isinstance(got, int) or not low <= got < 2**63:
            raise violation(wording.INPUT_WHOLE_NUMBER(low=low))
        return got

    return _validator(read)


def choice(choices: Choices) -> BeforeValidator:
    """One of a dropdown's values; letters' case and spaces around it do not matter."""
    spelled = {name.lower(): name for name in choices}

    def read(value: Any) -> str:
        got = value.strip().lower() if isinstance(value, str) else None
        if got is None or got not in spelled:
            raise violation(wording.INPUT_ONE_OF(choices=", ".join(choices)))
        return spelled[got]

    return _validator(read)


def is_on(value: object) -> bool:
    """Check whether a switch is on: true, or its text in any spelling."""
    return _switched(value) == "true"


def _switched(value: object) -> str:
    return (scalar_text(value) or "").strip().lower()


def _read_switch(value: Any) -> bool:
    if _switched(value) not in ("false", "true"):
        raise violation(wording.INPUT_ONE_OF(choices="false, true"))
    return is_on(value)


switch = _validator(_read_switch)
"""true or false, as a boolean or as text."""


def read_line(value: Any) -> str:
    """Read a short text.

    Raises:
        PydanticCustomError: it is none.
    """
    got = scalar_text(value)
    if got is None or isinstance(value, bool):
        raise violation(wording.INPUT_TEXT(kind=kind_of(value)), private=True)
    return got.strip()


line = _validator(read_line)
"""A short text such as a name or an address; spaces around it are dropped."""


def _read_duration(value: Any) -> float:
    try:
        seconds = parse_duration(value).total_seconds()
    except ValueError as error:
        raise violation(str(error)) from None
    if not seconds:
        raise violation(wording.INPUT_DURATION_ZERO())
    return seconds


seconds = _validator(_read_duration)
"""A duration longer than 0, ISO 8601 or seconds; the value is in seconds."""


def read_context(value: Any) -> dict[str, Any]:
    """Read a FEEL context or the text of a JSON object.

    Raises:
        PydanticCustomError: it is neither.
    """
    got = value
    if isinstance(value, str):
        try:
            got = parse_json(value)
        except ValueError as error:
            raise violation(wording.INPUT_CONTEXT_NO_JSON(problem=error), private=True) from None
    if not isinstance(got, Mapping):
        raise violation(wording.INPUT_CONTEXT(kind=kind_of(got)), private=True)
    return dict(got)


context = _validator(read_context)
"""A FEEL context, or the text of a JSON object."""

ContentParts = list[dict[str, Any]]


def is_content_parts(value: object) -> bool:
    """Check whether this is a list of content parts: contexts with a `type`."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in value)
    )


def _read_content(value: Any) -> str | ContentParts:
    text = scalar_text(value)
    if text is not None:
        return text
    if is_content_parts(value):
        return list(value)
    if isinstance(value, Mapping):
        raise violation(wording.INPUT_CONTENT_CONTEXT(), private=True)
    raise violation(wording.INPUT_CONTENT(kind=kind_of(value)), private=True)


content = _validator(_read_content)
"""What a message says: text (numbers and booleans become text), or a list of content parts passed on as it
is."""
