"""Chat inputs: what is sent, what is refused and in which words, and what becomes of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_connector.tasks.operations import Chat, InvalidInputsError
from openai_connector.wording import BUT_NULL
from tests.stand_in import chat_body
from tests.unit.operations.reading import CHAT, chat, chat_request, violations

PLAIN = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}]}
USER = {"role": "user", "content": "Hello"}

PARAMETERS = [
    ("temperature", 0.5, "temperature", 0.5),
    ("topP", 0.9, "top_p", 0.9),
    ("maxTokens", 100, "max_completion_tokens", 100),
    ("frequencyPenalty", -1.5, "frequency_penalty", -1.5),
    ("presencePenalty", 2, "presence_penalty", 2),
    ("choices", 3, "n", 3),
    ("reasoningEffort", "xhigh", "reasoning_effort", "xhigh"),
    ("verbosity", "low", "verbosity", "low"),
]


def test_a_bare_task_sends_model_and_messages_only() -> None:
    """Nothing is added that the task did not give."""
    assert chat_request() == PLAIN


@pytest.mark.parametrize(("name", "value", "key", "sent"), PARAMETERS)
def test_each_parameter_is_sent_when_given(name: str, value: object, key: str, sent: object) -> None:
    """A given parameter is sent under the API's name, and no other beside it."""
    assert chat_request(**{name: value}) == PLAIN | {key: sent}


@pytest.mark.parametrize("nothing", [None, "", " \n"])
@pytest.mark.parametrize(
    "name",
    [name for name, *_ in PARAMETERS]
    + [
        "systemMessage",
        "chatHistory",
        "responseFormat",
        "extraBody",
        "customModel",
        "maxTokensParameter",
        "jsonSchema",
    ],
)
def test_null_and_empty_text_mean_not_given(name: str, nothing: object) -> None:
    """null, "" and blank text are the same as an absent input."""
    assert chat_request(**{name: nothing}) == PLAIN


@pytest.mark.parametrize("zero", [0, "0", 0.0, "0.0", " 0 "])
def test_zero_is_given(zero: object) -> None:
    """A temperature of 0 is sent, however it is written."""
    assert chat_request(temperature=zero)["temperature"] == 0


@pytest.mark.parametrize(
    ("name", "text", "key", "sent"),
    [
        ("temperature", "0.7", "temperature", 0.7),
        ("temperature", " 1 ", "temperature", 1),
        ("temperature", "2", "temperature", 2),
        ("temperature", ".5", "temperature", 0.5),
        ("temperature", "1e-1", "temperature", 0.1),
        ("temperature", 1 / 3, "temperature", 1 / 3),
        ("topP", "1", "top_p", 1),
        ("frequencyPenalty", "-2", "frequency_penalty", -2),
        ("presencePenalty", "+0.25", "presence_penalty", 0.25),
        ("maxTokens", "1000", "max_completion_tokens", 1000),
        ("maxTokens", 1000.0, "max_completion_tokens", 1000),
        ("maxTokens", "1000.0", "max_completion_tokens", 1000),
        ("choices", "2", "n", 2),
        ("reasoningEffort", " High ", "reasoning_effort", "high"),
    ],
)
def test_text_and_numbers_mean_the_same(name: str, text: object, key: str, sent: object) -> None:
    """A value typed in Modeler is text, one of FEEL a number: both are sent as a number."""
    got = chat_request(**{name: text})[key]
    assert got == sent
    assert isinstance(got, type(sent))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", "warm", "Temperature must be a number between 0 and 2, got 'warm'"),
        ("temperature", 2.1, "Temperature must be a number between 0 and 2, got 2.1"),
        ("temperature", -0.1, "Temperature must be a number between 0 and 2, got -0.1"),
        ("temperature", "0,7", "Temperature must be a number between 0 and 2, got '0,7'"),
        ("temperature", "NaN", "Temperature must be a number between 0 and 2, got 'NaN'"),
        ("temperature", "1e999", "Temperature must be a number between 0 and 2, got '1e999'"),
        ("temperature", "٢", "Temperature must be a number between 0 and 2, got '٢'"),
        ("temperature", True, "Temperature must be a number between 0 and 2, got true"),
        ("temperature", [1], "Temperature must be a number between 0 and 2, got a list"),
        ("temperature", {"a": 1}, "Temperature must be a number between 0 and 2, got a context"),
        ("topP", 1.5, "Top P must be a number between 0 and 1, got 1.5"),
        ("frequencyPenalty", 3, "Frequency penalty must be a number between -2 and 2, got 3"),
        ("presencePenalty", "-3", "Presence penalty must be a number between -2 and 2, got '-3'"),
        ("maxTokens", 0, "Maximum tokens must be a whole number of at least 1, got 0"),
        ("maxTokens", 1.5, "Maximum tokens must be a whole number of at least 1, got 1.5"),
        ("maxTokens", "9" * 30, f"Maximum tokens must be a whole number of at least 1, got '{'9' * 30}'"),
        ("choices", "0", "Choices to generate must be a whole number of at least 1, got '0'"),
        ("choices", False, "Choices to generate must be a whole number of at least 1, got false"),
        ("verbosity", "chatty", "Verbosity must be one of low, medium, high, got 'chatty'"),
        (
            "reasoningEffort",
            3,
            "Reasoning effort must be one of none, minimal, low, medium, high, xhigh, max, got 3",
        ),
        ("responseFormat", "xml", "Response format must be one of text, json_object, json_schema, got 'xml'"),
        (
            "maxTokensParameter",
            "tokens",
            "Maximum tokens are sent as must be one of max_completion_tokens, max_tokens, got 'tokens'",
        ),
        ("model", ["a"], "Model must be a text, not a list"),
        ("extraBody", "[1]", "Extra body must be a FEEL context or a JSON object, not a list"),
        ("extraBody", 5, "Extra body must be a FEEL context or a JSON object, not a number"),
        (
            "prompt",
            [],
            'Prompt must be a text or a list of content parts such as [{type: "text", text: "..."}], not a '
            "list",
        ),
        (
            "prompt",
            {"text": "x"},
            "Prompt must be a text or a list of content parts, not a context; pick the field you mean, "
            "for example =order.text, or make it text with to json or string()",
        ),
        ("prompt", "", "Prompt is required, but is empty"),
        ("prompt", None, f"Prompt is required{BUT_NULL()}"),
        ("prompt", "  \n", "Prompt is required, but is empty"),
        ("model", None, f"Model is required{BUT_NULL()}"),
        ("model", "  ", "Model is required, but is empty"),
    ],
)
def test_a_violation_names_the_label_and_what_is_wanted(name: str, value: object, message: str) -> None:
    """One sentence says which field, what it takes and what it got."""
    assert violations(CHAT | {name: value}) == [message]


def test_violations_come_all_at_once() -> None:
    """Every wrong input is named, whatever else is wrong."""
    wrong = {
        "operation": "chat",
        "model": "custom",
        "temperature": "warm",
        "choices": 0,
        "chatHistory": "no",
        "timeout": "soon",
        "apiKey": ["x"],
    }
    labels = [message.split(" must ")[0].split(" is ")[0] for message in violations(wrong)]
    assert labels == [
        "OpenAI API key",
        "Request timeout",
        "Chat history",
        "Temperature",
        "Choices to generate",
        "Prompt",
        "Custom model version",
    ]


@pytest.mark.parametrize("operation", [None, "", "paint", 5, True, ["chat"], {"a": 1}])
def test_the_operation_is_one_of_the_list(operation: object) -> None:
    """An operation of any type that is not known is a violation, not a crash."""
    [message] = violations(CHAT | {"operation": operation})
    assert message.startswith("Operation ")
    assert "chat or moderation" in message


def test_an_offending_value_is_cut_at_100_characters() -> None:
    """A message holds at most 100 characters of a wrong value."""
    [message] = violations(CHAT | {"temperature": "x" * 5000})
    assert message.count("x") <= 100
    assert message.endswith("…")


@pytest.mark.parametrize("name", ["prompt", "systemMessage", "chatHistory", "extraBody", "jsonSchema"])
@pytest.mark.parametrize(
    "value", [{"note": "PRIVATE"}, ["PRIVATE"], [{"role": "PRIVATE-ROLE", "content": "PRIVATE"}]]
)
def test_private_values_are_not_shown(name: str, value: object) -> None:
    """What is wrong with a prompt, a history or a schema is said without repeating its content."""
    given = CHAT | {name: value, "responseFormat": "json_schema" if name == "jsonSchema" else None}
    try:
        chat(**given)
        said = ""
    except InvalidInputsError as error:
        said = str(error)
    assert "PRIVATE" not in said.replace("PRIVATE-ROLE", "")


def test_custom_takes_the_model_from_its_own_field() -> None:
    """`custom` sends the custom model version."""
    assert (
        chat_request(model="custom", customModel=" ft:gpt-5.4-mini:acme::1 ")["model"]
        == "ft:gpt-5.4-mini:acme::1"
    )


def test_any_model_id_passes() -> None:
    """A model that the list does not have (yet) is sent as it is."""
    assert chat_request(model="gpt-7")["model"] == "gpt-7"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"model": "custom"}, "Custom model version is required, because Model is Custom"),
        (
            {"model": "custom", "customModel": " "},
            "Custom model version is required, because Model is Custom, but is empty",
        ),
        (
            {"customModel": "x"},
            "Custom model version is given, but Model is not Custom: choose Custom or empty it",
        ),
        (
            {"responseFormat": "json_schema"},
            "JSON schema is required, because Response format is 'JSON that follows a schema'",
        ),
        (
            {"jsonSchema": {"type": "object"}},
            "JSON schema is given, but Response format is another: choose 'JSON that follows a schema', or "
            "empty it",
        ),
    ],
)
def test_inputs_that_contradict_each_other_are_refused(inputs: dict[str, Any], message: str) -> None:
    """Nothing that was given is dropped silently."""
    assert violations(CHAT | inputs) == [message]


def test_max_tokens_goes_by_the_chosen_name() -> None:
    """Older compatible servers get `max_tokens`; the choice alone sends nothing."""
    assert chat_request(maxTokens=5, maxTokensParameter="max_tokens") == PLAIN | {"max_tokens": 5}
    assert chat_request(maxTokensParameter="max_tokens") == PLAIN


# Messages


def test_messages_are_system_history_prompt() -> None:
    """The system message comes first, then the history, then the prompt as the user's message."""
    history = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    assert chat_request(systemMessage="Be brief.", chatHistory=history)["messages"] == [
        {"role": "system", "content": "Be brief."},
        *history,
        USER,
    ]


@pytest.mark.parametrize("position", [0, 1])
def test_an_identical_system_message_is_not_sent_twice(position: int) -> None:
    """A history that already has the system message keeps it where it stands."""
    history = [{"role": "user", "content": "1"}]
    history.insert(position, {"role": "system", "content": "Be brief."})
    assert chat_request(systemMessage="Be brief.", chatHistory=history)["messages"] == [*history, USER]


def test_another_system_message_is_sent_beside_the_old_one() -> None:
    """Only a word-for-word equal system message counts as the same; a user's words never do."""
    history = [{"role": "system", "content": "Be long."}, {"role": "user", "content": "Be brief."}]
    sent = chat_request(systemMessage="Be brief.", chatHistory=history)["messages"]
    assert sent == [{"role": "system", "content": "Be brief."}, *history, USER]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "a"},
        {"role": "user", "content": "", "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "refusal": "No."},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": "a", "reasoning_content": "…", "unknown": [1, None]},
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_good_history_passes_unchanged(message: dict[str, Any], as_text: bool) -> None:
    """Each form of message passes with all its keys, as a list or as its JSON text."""
    history = json.dumps([message]) if as_text else [message]
    assert chat_request(chatHistory=history)["messages"] == [message, USER]


@pytest.mark.parametrize(
    ("history", "wrong"),
    [
        ({"role": "user", "content": "a"}, "not a context; put it into brackets: =[message]"),
        ('{"role": "user", "content": "a"}', "not a context; put it into brackets: =[message]"),
        ("Hello", "it is no JSON"),
        ("null", "not null"),
        (5, "not a number"),
        (["Hello"], "message 1 must be a context with role and content, not a text"),
        ([{"role": "user", "content": "a"}, None], "message 2 must be a context"),
        (
            [{"content": "a"}],
            "message 1 must have the role system, developer, user, assistant or tool, got null",
        ),
        ([{"role": "bot", "content": "a"}], "got 'bot'"),
        ([{"role": ["user"], "content": "a"}], "got a list"),
        (
            [{"role": "user"}],
            "message 1 must have a content (it may be null only with tool_calls or refusal)",
        ),
        ([{"role": "assistant", "content": None, "refusal": None}], "message 1 must have a content"),
        ([{"role": "user", "content": 5}], "a text or a list of content parts, not a number"),
        ([{"role": "user", "content": ["a"]}], "a text or a list of content parts, not a list"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ('[{"role": "user", "content": NaN}]', "NaN is not JSON"),
    ],
)
def test_a_bad_history_says_which_message(history: object, wrong: str) -> None:
    """The violation names the message and what it lacks."""
    [message] = violations(CHAT | {"chatHistory": history})
    assert message.startswith("Chat history ")
    assert wrong in message


def test_an_empty_history_is_none() -> None:
    """An empty list is a conversation that begins now."""
    assert chat_request(chatHistory=[]) == PLAIN


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        (5, "5"),
        (5.0, "5"),
        (0.5, "0.5"),
        (True, "true"),
        (" as it is ", " as it is "),
        ("{{secrets.KEY}}", "{{secrets.KEY}}"),
        ("secrets.KEY", "secrets.KEY"),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
    ],
)
def test_a_prompt_may_be_text_scalar_or_content_parts(prompt: object, sent: object) -> None:
    """Numbers and booleans become text, content parts pass, and what looks like a secret stays text."""
    assert chat_request(prompt=prompt)["messages"] == [{"role": "user", "content": sent}]


# Response format and extra body


def test_json_object_is_sent_and_text_is_not() -> None:
    """The format `text` is the API's default and is not sent."""
    assert chat_request(responseFormat="json_object") == PLAIN | {"response_format": {"type": "json_object"}}
    assert chat_request(responseFormat="text") == PLAIN


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"type": "object"}, "response"),
        ({"type": "object", "title": "Order line"}, "Order_line"),
        ({"type": "object", "title": " Größe (cm) "}, "Gr_e_cm"),
        ({"type": "object", "title": "日本"}, "response"),
        ({"type": "object", "title": "x" * 100}, "x" * 64),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_bare_schema_is_wrapped(schema: dict[str, Any], name: str, as_text: bool) -> None:
    """A bare JSON schema gets a name from its title, and strict."""
    given = json.dumps(schema) if as_text else schema
    sent = chat_request(responseFormat="json_schema", jsonSchema=given)["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


@pytest.mark.parametrize("whole", [False, True])
def test_a_named_schema_passes_as_it_is(whole: bool) -> None:
    """An object with name and schema is sent unchanged, also inside a whole response_format."""
    named = {"name": "n", "schema": {"type": "object"}}
    given = {"type": "json_schema", "json_schema": named} if whole else named
    sent = chat_request(responseFormat="json_schema", jsonSchema=given)["response_format"]
    assert sent == {"type": "json_schema", "json_schema": named}


@pytest.mark.parametrize("as_text", [False, True])
def test_the_extra_body_is_merged_last(as_text: bool) -> None:
    """The extra body adds keys and has the last word over the fields."""
    extra: Any = {"stop": ["END"], "seed": 7, "temperature": 1.5, "vendor": {"x": None}}
    sent = chat_request(temperature=0.5, extraBody=json.dumps(extra) if as_text else extra)
    assert sent == PLAIN | extra


@pytest.mark.parametrize("key", ["model", "messages", "n", "stream"])
def test_the_extra_body_may_not_take_over(key: str) -> None:
    """model, messages, n and stream have fields of their own, or would break the answer."""
    assert violations(CHAT | {"extraBody": {key: None}}) == [f"Extra body must not set {key}"]


def test_integers_beyond_64_bits_become_doubles() -> None:
    """A JSON text with a huge integer is read as a double, as everywhere."""
    assert chat_request(extraBody='{"seed": 18446744073709551616}')["seed"] == 2.0**64


# The answer


def output(body: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """Give the output of an answer to a chat task."""
    task = chat(**inputs)
    assert task.missing_in(body) is None
    return task.output(task.request_body(), body)


def test_the_output_of_an_answer() -> None:
    """All keys of a plain answer."""
    body = chat_body("Hi", model="gpt-6-luna-2026")
    assert output(body) == {
        "text": "Hi",
        "responses": ["Hi"],
        "chatHistory": [USER, {"role": "assistant", "content": "Hi"}],
        "finishReason": "stop",
        "usage": body["usage"],
        "model": "gpt-6-luna-2026",
        "json": None,
        "refusal": None,
        "condition": "AS_ASKED",
        "calls": 1,
        "toolCalls": [],
        "tokens": {
            "input": 9,
            "output": 3,
            "total": 12,
            "cached": None,
            "cacheWrite": None,
            "reasoning": None,
        },
    }


def test_the_outputs_are_those_that_are_documented() -> None:
    """`outputs()` names exactly what `output` gives."""
    assert set(output(chat_body("Hi"))) == set(Chat.outputs())


def test_responses_are_in_the_order_of_their_index() -> None:
    """The choices may come in any order; the first is that of index 0."""
    body = chat_body("a", "b", "c")
    body["choices"].reverse()
    got = output(body)
    assert got["responses"] == ["a", "b", "c"]
    assert got["text"] == "a"


def test_choices_without_an_index_keep_their_order() -> None:
    """Compatible servers leave the index out."""
    body = chat_body("a", "b")
    for choice in body["choices"]:
        del choice["index"]
    assert output(body)["responses"] == ["a", "b"]


def test_a_response_without_content_is_null_and_not_in_the_history() -> None:
    """A mere tool call is null among the responses and is not appended to the history."""
    got = output(chat_body(None, "b"))
    assert got["text"] is None
    assert got["responses"] == [None, "b"]
    assert got["chatHistory"] == [USER, {"role": "assistant", "content": "b"}]


def test_a_refusal_is_kept_with_its_words() -> None:
    """A refusal is its own output, and stands in the history with its text as content."""
    got = output(chat_body(messages=[{"role": "assistant", "content": None, "refusal": "I must not."}]))
    assert got["refusal"] == "I must not."
    assert got["text"] is None
    assert got["chatHistory"] == [
        USER,
        {"role": "assistant", "content": "I must not.", "refusal": "I must not."},
    ]


def test_an_empty_refusal_is_none() -> None:
    """Compatible servers send an empty refusal with every answer."""
    got = output(chat_body(messages=[{"role": "assistant", "content": "Hi", "refusal": ""}]))
    assert got["refusal"] is None
    assert got["chatHistory"][-1] == {"role": "assistant", "content": "Hi"}


@pytest.mark.parametrize(
    "asked", [{"responseFormat": "json_object"}, {"extraBody": {"response_format": {"type": "json_object"}}}]
)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("not JSON", None),
        (None, None),
        ("NaN", None),
        ("[" * 100_000, None),
        ("5", 5),
    ],
)
def test_json_is_the_first_answer_parsed(asked: dict[str, Any], text: str | None, value: object) -> None:
    """Where a JSON format was asked and the answer parses, `json` is its value, else null."""
    assert output(chat_body(text), **asked)["json"] == value


def test_json_is_null_when_none_was_asked() -> None:
    """A text answer that happens to be JSON stays text."""
    assert output(chat_body('{"a": 1}'))["json"] is None


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (None, "choices"),
        ("text", "choices"),
        ([], "choices"),
        ({}, "choices"),
        ({"choices": None}, "choices"),
        ({"choices": []}, "choices"),
        ({"choices": {"a": 1}}, "choices"),
        ({"choices": [None]}, "message in its choices that can be read"),
        ({"choices": [{"text": "old"}]}, "message in its choices that can be read"),
        ({"choices": [{"message": "old"}]}, "message in its choices that can be read"),
    ],
)
def test_an_answer_without_choices_is_none(body: object, missing: str) -> None:
    """What lacks choices with messages is no answer."""
    assert chat().missing_in(body) == missing


@pytest.mark.parametrize(
    "message",
    [
        {"role": "bot", "content": "a"},
        {"role": None, "content": "a"},
        {"role": ["x"], "content": "a"},
        {"content": ""},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"text": "a"}, 5]},
        {"role": "assistant", "content": []},
        {"role": "assistant", "content": 5},
        {"role": "assistant", "content": {"a": 1}, "refusal": {"why": 1}},
        {"role": "assistant", "content": "", "refusal": "No."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {},
    ],
)
def test_any_answer_can_be_fed_back(message: dict[str, Any]) -> None:
    """Whatever a server calls a message, the chat history of the output is a good input."""
    got = output(chat_body(messages=[message]), systemMessage="S")
    again = chat_request(systemMessage="S", chatHistory=got["chatHistory"])
    assert again["messages"] == [*got["chatHistory"], USER]


def test_private_texts_are_all_that_was_said() -> None:
    """System message, history (however deep) and prompt are known as private."""
    task = chat(
        systemMessage="S",
        chatHistory=[
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "deep"}}]}
        ],
        prompt=[{"type": "text", "text": "part"}],
    )
    assert {"S", "deep", "part"} <= set(task.private_texts())
