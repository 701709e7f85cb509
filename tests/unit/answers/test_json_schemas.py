"""JSON schemas: answers are checked as the drafts have it; nothing is fetched; messages hold no content."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.tasks.operations.schema import (
    MAX_EXPLAINED_DEPTH,
    SchemaError,
    broken_rule,
    check_schema,
)
from tests.unit.answers.answering import AS_SCHEMA, SCHEMA, read_content
from tests.unit.operations.reading import CHAT, chat_request, violations

SECRET = "Jean-Luc Picard"
BROKEN: list[tuple[dict[str, Any], Any, str, str]] = [
    (SCHEMA, {"city": 5}, "city", 'type: ["string"]'),
    (SCHEMA, {"city": "a", "stops": [{}, {"minutes": SECRET}]}, "stops[1].minutes", 'type: ["integer"]'),
    (SCHEMA, {}, "", "required: city"),
    (SCHEMA, {"city": "a", SECRET: 1}, "", "additionalProperties"),
    (SCHEMA, [], "", 'type: ["object"]'),
    ({"additionalProperties": {"type": "string"}}, {SECRET: 5}, "*", 'type: ["string"]'),
    ({"properties": {"n": {"enum": [1, 2]}}}, {"n": SECRET}, "n", "enum: [1, 2]"),
    ({"properties": {"n": {"const": 1}}}, {"n": SECRET}, "n", "const: 1"),
    ({"properties": {"n": {"minimum": 5}}}, {"n": 4}, "n", "minimum: 5"),
    ({"properties": {"n": {"pattern": "^a+$"}}}, {"n": SECRET}, "n", "pattern: ^a+$"),
    ({"minItems": 2}, [SECRET], "", "minItems: 2"),
    ({"uniqueItems": True}, [SECRET, SECRET], "", "uniqueItems"),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"maximum": 3}}}, 4, "", "maximum: 3"),
    (
        {"anyOf": [{"type": "null"}, {"properties": {"a": {"properties": {"b": {"type": "null"}}}}}]},
        {"a": {"b": SECRET}},
        "a.b",
        'type: ["null"]',
    ),
    ({"properties": {"n": {"anyOf": [{"type": "null"}, {"type": "string"}]}}}, {"n": 5}, "n", "anyOf"),
    ({"propertyNames": {"maxLength": 3}}, {SECRET: 5}, "", "propertyNames"),
]


@pytest.mark.parametrize(("schema", "value", "place", "rule"), BROKEN, ids=[rule for *_, rule in BROKEN])
def test_the_place_and_the_rule_are_named(schema: dict[str, Any], value: Any, place: str, rule: str) -> None:
    """A path of the schema's own names, and the rule as the schema has it; never what the model wrote."""
    assert broken_rule(schema, value) == (place, rule)


def test_an_answer_off_its_schema_has_the_condition() -> None:
    """The whole way from the answer's text to the condition."""
    answer = read_content('{"city": 5}', **AS_SCHEMA)
    assert answer.output["condition"] == "ANSWER_OFF_SCHEMA"
    assert answer.shortfall is not None
    assert 'city breaks the rule type: ["string"]' in answer.shortfall.problem


@pytest.mark.parametrize("form", ["bare", "named", "whole", "extra body"])
def test_every_way_to_give_a_schema_is_checked(form: str) -> None:
    """A schema counts however it was given, in the extra body too."""
    named = {"name": "n", "schema": SCHEMA}
    whole = {"type": "json_schema", "json_schema": named}
    inputs: dict[str, Any] = {
        "bare": AS_SCHEMA,
        "named": AS_SCHEMA | {"jsonSchema": named},
        "whole": AS_SCHEMA | {"jsonSchema": whole},
        "extra body": {"extraBody": {"response_format": whole}},
    }[form]
    assert read_content('{"city": "Paris"}', **inputs).shortfall is None
    assert read_content('{"town": "Paris"}', **inputs).output["condition"] == "ANSWER_OFF_SCHEMA"


@pytest.mark.parametrize("text", ["[]", "42", '"Paris"', "null", "true"])
def test_a_json_object_is_an_object(text: str) -> None:
    """With the format JSON object, any other JSON is not as asked."""
    assert read_content(text, responseFormat="json_object").output["condition"] == "ANSWER_OFF_SCHEMA"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/missing"},
        {"type": "objekt"},
        {"properties": []},
        {"required": True},
        {"pattern": "("},
        {"pattern": "a{1000}{1000}{1000}"},
        {"$schema": "https://example.com/own"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("given_in", ["field", "extra body"])
def test_a_schema_that_cannot_be_used_is_refused_before_the_call(
    schema: dict[str, Any], given_in: str
) -> None:
    """What answers could not be checked against is said before anything is paid for; nothing is fetched."""
    named = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    inputs: dict[str, Any] = {"extraBody": {"response_format": named}}
    if given_in == "field":
        inputs = {"responseFormat": "json_schema", "jsonSchema": named}
    [message] = violations(CHAT | inputs)
    assert "is no JSON schema that answers can be checked against" in message


def test_a_pattern_cannot_hang_the_worker() -> None:
    """A pattern that takes exponential time when it is tried naively is answered."""
    assert broken_rule({"pattern": "^(a+)+$"}, "a" * 100_000 + "!") == ("", "pattern: ^(a+)+$")
    assert broken_rule({"pattern": "^(?=a)(a+)+$"}, "a" * 20_000 + "!") is not None


def test_a_recursive_schema_cannot_hang_the_worker() -> None:
    """Two ways on each level of a recursion are 2^n ways: the verdict is found, without the place."""
    way = {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}}}
    schema = {"$defs": {"t": {"anyOf": [way, way | {"minProperties": 1}]}}, "$ref": "#/$defs/t"}
    value: Any = "leaf"
    for _ in range(MAX_EXPLAINED_DEPTH + 30):
        value = {"a": value}
    assert broken_rule(schema, value) == ("", "")


def test_lone_surrogates_are_checked_as_they_are_sent() -> None:
    """Half a character, which UTF-8 cannot carry, is no bug but a character."""
    assert broken_rule({"type": "string", "maxLength": 1}, "\ud800") is None
    assert broken_rule({"type": "integer"}, {"a": "\ud800"}) == ("", 'type: ["integer"]')


def test_a_schema_that_refers_to_itself_is_used() -> None:
    """A tree is a schema as any other."""
    tree = {"type": "object", "properties": {"sub": {"type": "array", "items": {"$ref": "#"}}}}
    assert broken_rule(tree, {"sub": [{"sub": []}]}) is None
    assert broken_rule(tree, {"sub": [{"sub": 5}]}) == ("sub[0].sub", 'type: ["array"]')


def test_check_schema_refuses_with_a_reason() -> None:
    """The reason names the place in the schema."""
    with pytest.raises(SchemaError, match="/properties/a/type"):
        check_schema({"properties": {"a": {"type": "objekt"}}})


NAMES = st.sampled_from(["a", "b", "c"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.5, 1.0, -2.5])
    | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
            "properties": st.dictionaries(NAMES, SCHEMAS, max_size=2),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": st.booleans() | SCHEMAS,
            "items": SCHEMAS,
            "minItems": st.integers(0, 3),
            "uniqueItems": st.booleans(),
            "enum": st.lists(JSON, min_size=1, max_size=3),
            "const": JSON,
            "minimum": st.integers(-3, 3),
            "maxLength": st.integers(0, 3),
            "pattern": st.sampled_from(["^a", "b$", "^(ab)*$"]),
            "anyOf": st.lists(SCHEMAS, min_size=1, max_size=2),
            "oneOf": st.lists(SCHEMAS, min_size=1, max_size=2),
            "not": SCHEMAS,
        },
    )
)


@given(schema=SCHEMAS, value=JSON)
@settings(max_examples=120, deadline=None)
def test_the_verdict_is_that_of_another_implementation(schema: dict[str, Any], value: Any) -> None:
    """The `jsonschema` package, in Python, comes to the same verdict on any schema and value."""
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (broken_rule(schema, value) is None) == expected


NAMED: dict[str, Any] = {"name": "n", "schema": SCHEMA}
TEXT = json.dumps(SCHEMA)
FORMS: dict[str, dict[str, Any]] = {
    "schema as text": {"jsonSchema": NAMED | {"schema": TEXT}},
    "without a name": {"jsonSchema": {"strict": True, "schema": SCHEMA}},
    "without a type": {"jsonSchema": {"json_schema": NAMED}},
    "parameters of a function": {"jsonSchema": {"name": "n", "parameters": SCHEMA}},
    "whole, schema as text": {"jsonSchema": {"type": "json_schema", "json_schema": NAMED | {"schema": TEXT}}},
    "all as text": {"jsonSchema": json.dumps(NAMED)},
    "llama.cpp": {"extraBody": {"response_format": {"type": "json_object", "schema": SCHEMA}}},
    "flat": {"extraBody": {"response_format": {"type": "json_schema", "schema": SCHEMA}}},
    "bare in the format": {"extraBody": {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}},
    "vLLM": {"extraBody": {"guided_json": SCHEMA}},
    "vLLM, as text": {"extraBody": {"guided_json": TEXT}},
    "vLLM, later": {"extraBody": {"structured_outputs": {"json": SCHEMA}}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_spelling_of_a_schema_is_checked(form: str) -> None:
    """A schema that is asked for in any place is never left unchecked."""
    inputs = FORMS[form] | ({"responseFormat": "json_schema"} if "jsonSchema" in FORMS[form] else {})
    assert read_content('{"city": "Paris"}', **inputs).shortfall is None
    assert read_content('{"city": 5}', **inputs).output["condition"] == "ANSWER_OFF_SCHEMA"
    assert read_content("no", **inputs).output["condition"] == "ANSWER_NOT_JSON"


@pytest.mark.parametrize("form", [form for form in FORMS if "jsonSchema" in FORMS[form]])
def test_every_spelling_is_sent_as_the_api_has_it(form: str) -> None:
    """The request has a name and a schema that is an object, however they were given."""
    sent = chat_request(responseFormat="json_schema", **FORMS[form])["response_format"]["json_schema"]
    assert sent["schema"] == SCHEMA
    assert sent["name"]


@pytest.mark.parametrize(
    "given",
    [
        NAMED | {"schema": False},
        NAMED | {"schema": [SCHEMA]},
        NAMED | {"schema": None},
        NAMED | {"schema": "no JSON"},
        {"name": "n", "strict": True},
        {"type": "json_schema", "json_schema": {"name": "n"}},
        {"city": "Paris"},
    ],
    ids=repr,
)
def test_a_schema_that_says_nothing_is_refused(given: dict[str, Any]) -> None:
    """What would let everything pass is no schema."""
    [message] = violations(CHAT | {"responseFormat": "json_schema", "jsonSchema": given})
    assert "is no JSON schema that answers can be checked against" in message


@pytest.mark.parametrize("kind", ["JSON_OBJECT", "json_object", " Json_Object "])
def test_any_spelling_of_the_format_asks_for_json(kind: str) -> None:
    """A server that takes another spelling is asked for JSON all the same."""
    answer = read_content("no", extraBody={"response_format": {"type": kind}})
    assert answer.output["condition"] == "ANSWER_NOT_JSON"


def test_ways_as_good_as_each_other_are_not_told_apart() -> None:
    """With two ways that an answer might have gone, neither is named: it would steer the model to one."""
    ways = [{"properties": {"k": {"const": value}}} for value in "AB"]
    assert broken_rule({"anyOf": ways}, {"k": "C"}) == ("", "anyOf")


def test_a_chain_of_doubled_references_cannot_hang_the_worker() -> None:
    """Each level refers to the next one twice: 2^30 ways, of which none is followed to its end."""
    defs: dict[str, Any] = {
        f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}", "minProperties": 1}]}
        for n in range(30)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": defs | {"d30": {"type": "string"}}}
    assert broken_rule(schema, {}) == ("", "")
