"""The condition of an answer: as asked, or how it is other."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from openai_connector.contract import (
    ANSWER_EMPTY,
    ANSWER_FILTERED,
    ANSWER_NOT_JSON,
    ANSWER_OFF_SCHEMA,
    ANSWER_REFUSED,
    ANSWER_TRUNCATED,
    AS_ASKED,
)
from tests.unit.answers.answering import AS_OBJECT, AS_SCHEMA, body_of, choice_of, read, read_content

GOOD_JSON = '{"city": "Paris"}'
TOOL = {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("a plain text", choice_of("Hello"), {}, AS_ASKED),
    ("a text without a reason", choice_of("Hello", None), {}, AS_ASKED),
    ("an unknown reason", choice_of("Hello", "eos"), {}, AS_ASKED),
    ("no text", choice_of(""), {}, ANSWER_EMPTY),
    ("null", choice_of(None), {}, ANSWER_EMPTY),
    ("blanks", choice_of(" \n"), {}, ANSWER_EMPTY),
    ("no parts", choice_of([]), {}, ANSWER_EMPTY),
    ("a tool call", choice_of(None, "tool_calls", **TOOL), {}, AS_ASKED),
    ("a tool call beside words", choice_of("I look it up", "tool_calls", **TOOL), AS_OBJECT, AS_ASKED),
    ("an old function call", choice_of(None, "function_call", function_call={"name": "f"}), {}, AS_ASKED),
    ("sound", choice_of(None, audio={"id": "a", "data": "", "transcript": "Hi"}), {}, AS_ASKED),
    ("no tool call at all", choice_of(None, tool_calls=[]), {}, ANSWER_EMPTY),
    ("tool calls that are none", choice_of("", tool_calls=False), AS_OBJECT, ANSWER_EMPTY),
    ("a list of no tool call", choice_of("", tool_calls=[None, {}]), AS_OBJECT, ANSWER_EMPTY),
    ("a function without a name", choice_of("", function_call={}), AS_OBJECT, ANSWER_EMPTY),
    ("sound without any", choice_of("", audio={}), AS_OBJECT, ANSWER_EMPTY),
    ("images that are none", choice_of("", images="x"), AS_OBJECT, ANSWER_EMPTY),
    (
        "a reason alone calls no tool",
        choice_of("txt", "tool_calls", tool_calls=False),
        AS_OBJECT,
        ANSWER_NOT_JSON,
    ),
    ("images", choice_of("", images=[{"type": "image_url"}]), {}, AS_ASKED),
    ("broken off, DeepSeek", choice_of("Hel", "insufficient_system_resource"), {}, ANSWER_TRUNCATED),
    ("broken off, vLLM", choice_of("Hel", "abort"), {}, ANSWER_TRUNCATED),
    ("broken off by somebody", choice_of("Hel", "cancelled"), {}, ANSWER_TRUNCATED),
    ("cut off", choice_of("Hel", "length"), {}, ANSWER_TRUNCATED),
    ("cut off, Gemini", choice_of("Hel", "MAX_TOKENS"), {}, ANSWER_TRUNCATED),
    ("cut off, Mistral", choice_of("Hel", "model_length"), {}, ANSWER_TRUNCATED),
    ("all tokens used for thoughts", choice_of(None, "length"), {}, ANSWER_TRUNCATED),
    ("JSON that is cut off", choice_of('{"city": "Par', "length"), AS_OBJECT, ANSWER_TRUNCATED),
    ("good JSON that was to go on", choice_of(GOOD_JSON, "length"), AS_OBJECT, ANSWER_TRUNCATED),
    ("refused", choice_of(None, refusal="I cannot"), {}, ANSWER_REFUSED),
    ("refused, with JSON asked", choice_of(None, refusal="I cannot"), AS_SCHEMA, ANSWER_REFUSED),
    ("refused in a part", choice_of([{"type": "refusal", "refusal": "No"}]), {}, ANSWER_REFUSED),
    ("refused by reason", choice_of("No", "refusal"), {}, ANSWER_REFUSED),
    ("not refused", choice_of("Hello", refusal=""), {}, AS_ASKED),
    ("filtered", choice_of("Hel", "content_filter"), {}, ANSWER_FILTERED),
    ("filtered, Gemini", choice_of(None, "SAFETY"), {}, ANSWER_FILTERED),
    ("filtered, with JSON asked", choice_of(None, "content_filter"), AS_OBJECT, ANSWER_FILTERED),
    ("JSON", choice_of(GOOD_JSON), AS_OBJECT, AS_ASKED),
    ("JSON as its schema has it", choice_of(GOOD_JSON), AS_SCHEMA, AS_ASKED),
    ("no JSON", choice_of("Paris"), AS_OBJECT, ANSWER_NOT_JSON),
    ("no JSON, with a schema", choice_of("Paris"), AS_SCHEMA, ANSWER_NOT_JSON),
    ("empty, with JSON asked", choice_of(""), AS_OBJECT, ANSWER_EMPTY),
    ("off its schema", choice_of('{"town": "Paris"}'), AS_SCHEMA, ANSWER_OFF_SCHEMA),
    ("no object", choice_of("[1]"), AS_OBJECT, ANSWER_OFF_SCHEMA),
    ("a number as content", choice_of(42), AS_OBJECT, ANSWER_OFF_SCHEMA),
    ("an object as content", choice_of({"city": "Paris"}), AS_SCHEMA, AS_ASKED),
    ("an object as content, off its schema", choice_of({"city": 5}), AS_SCHEMA, ANSWER_OFF_SCHEMA),
    ("text that looks like JSON", choice_of('{"city": "Par'), {}, AS_ASKED),
]


@pytest.mark.parametrize(
    ("choice", "inputs", "condition"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_condition_tells_how_an_answer_is_other(
    choice: dict[str, Any], inputs: dict[str, Any], condition: str
) -> None:
    """`output.condition` has the code, and the shortfall the same."""
    answer = read(body_of(choice), **inputs)
    assert answer.output["condition"] == condition
    assert (AS_ASKED if answer.shortfall is None else answer.shortfall.condition) == condition


def test_the_first_choice_tells() -> None:
    """`output.text` and `output.json` are those of the first choice, and so is the condition."""
    body = body_of(choice_of(GOOD_JSON), {**choice_of("no JSON"), "index": 1})
    assert read(body, choices=2, **AS_OBJECT).output["condition"] == AS_ASKED
    body["choices"].reverse()
    assert read(body, choices=2, **AS_OBJECT).output["condition"] == AS_ASKED


# Adversarial answers: each is made together with what must become of it.

SEED, ANSWERS = 20261126, 500


def _good(chance: random.Random) -> dict[str, Any]:
    stops = [{"minutes": chance.randrange(90)} for _ in range(chance.randrange(4))]
    return {"city": chance.choice(["Paris", "東京", 'a"b\\c', "```", ""]), "stops": stops}


def _fenced(chance: random.Random, text: str) -> str:
    mark = chance.choice(["```", "~~~", "````"])
    return f"{mark}{chance.choice(['', 'json', 'JSON'])}\n{text}\n{mark}"


def _adversarial(chance: random.Random) -> tuple[str, dict[str, Any], str]:
    """Make one answer: its kind, its choice and its condition."""
    value = _good(chance)
    text = json.dumps(value, ensure_ascii=False, indent=chance.choice([None, 2]))
    kind = chance.choice(list(_KINDS))
    content, reason, condition = _KINDS[kind](chance, value, text)
    return kind, choice_of(content, reason), condition


def _wrong_type(chance: random.Random, value: dict[str, Any]) -> str:
    place = chance.choice(["city", "stops", "minutes", "root"])
    wrong: Any = chance.choice([None, 5, True, {"a": 1}])
    if place == "minutes":
        value["stops"] = [{"minutes": chance.choice(["5", 5.5, None])}]
    elif place == "root":
        return json.dumps([value])
    else:
        value[place] = wrong
    return json.dumps(value)


_KINDS: dict[str, Any] = {
    "plain": lambda c, v, t: (t, "stop", AS_ASKED),
    "fenced": lambda c, v, t: (_fenced(c, t), "stop", AS_ASKED),
    "mark of order": lambda c, v, t: ("\ufeff" + t, "stop", AS_ASKED),
    "in parts": lambda c, v, t: ([{"type": "text", "text": x} for x in (t[:9], t[9:])], "stop", AS_ASKED),
    "as an object": lambda c, v, t: (v, "stop", AS_ASKED),
    "truncated": lambda c, v, t: (t[: c.randrange(1, len(t))], "length", ANSWER_TRUNCATED),
    "cut without a word": lambda c, v, t: (t[: c.randrange(1, len(t))], "stop", ANSWER_NOT_JSON),
    "prose around": lambda c, v, t: ("Here it is: " + _fenced(c, t), "stop", ANSWER_NOT_JSON),
    "prose": lambda c, v, t: (
        c.choice(["Paris", "I cannot do that.", "city: Paris"]),
        "stop",
        ANSWER_NOT_JSON,
    ),
    "python": lambda c, v, t: (repr(v).replace("\\", ""), "stop", ANSWER_NOT_JSON),
    "twice": lambda c, v, t: (t + "\n" + t, "stop", ANSWER_NOT_JSON),
    "wrong types": lambda c, v, t: (_wrong_type(c, v), "stop", ANSWER_OFF_SCHEMA),
    "fenced wrong types": lambda c, v, t: (_fenced(c, _wrong_type(c, v)), "stop", ANSWER_OFF_SCHEMA),
    "extra fields": lambda c, v, t: (
        json.dumps(v | {c.choice(["town", "City", "errorType"]): 1}),
        "stop",
        ANSWER_OFF_SCHEMA,
    ),
    "missing field": lambda c, v, t: (json.dumps({"stops": v["stops"]}), "stop", ANSWER_OFF_SCHEMA),
    "nested error": lambda c, v, t: (
        json.dumps({"error": {"message": "overloaded"}}),
        "stop",
        ANSWER_OFF_SCHEMA,
    ),
    "in a string": lambda c, v, t: (json.dumps(t), "stop", ANSWER_OFF_SCHEMA),
    "null": lambda c, v, t: ("null", "stop", ANSWER_OFF_SCHEMA),
    "nothing": lambda c, v, t: (c.choice(["", None, " \n", []]), "stop", ANSWER_EMPTY),
    "filtered": lambda c, v, t: (c.choice([t, None, ""]), "content_filter", ANSWER_FILTERED),
    "number": lambda c, v, t: (c.choice([5, True, 1.5]), "stop", ANSWER_OFF_SCHEMA),
    "not a number": lambda c, v, t: (t.replace("{", '{"x": NaN, ', 1), "stop", ANSWER_NOT_JSON),
}


def test_adversarial_answers_let_nothing_else_in() -> None:
    """Of 500 answers made to deceive, each has its condition, and `output.json` follows the schema or is told."""
    chance = random.Random(SEED)
    seen = set()
    for number in range(ANSWERS):
        kind, choice, condition = _adversarial(chance)
        answer = read(body_of(choice), **AS_SCHEMA)
        seen.add(kind)
        assert answer.output["condition"] == condition, (number, kind, choice)
        if condition == AS_ASKED:
            city, stops = answer.output["json"]["city"], answer.output["json"]["stops"]
            assert isinstance(city, str)
            assert all(isinstance(stop["minutes"], int) for stop in stops)
    assert seen == set(_KINDS)


def test_the_reason_stays_as_the_api_gave_it() -> None:
    """Only the comparison ignores the case."""
    assert read_content("Hel", "MAX_TOKENS").output["finishReason"] == "MAX_TOKENS"
