"""Tools: how a task declares them, what the model calls, and how results go back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_connector.contract import FORBIDDEN_KEY
from openai_connector.document import Document
from tests.make import sentences_in
from tests.unit.answers.answering import body_of, choice_of, read
from tests.unit.operations.reading import CHAT, chat, chat_request, violations
from tests.unit.operations.responses import body_of as response_of
from tests.unit.operations.responses import called

PARAMETERS = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
TOOL = {"name": "find_order", "description": "Finds it", "parameters": PARAMETERS}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "Hello"}


def calling(*calls: Any, content: str | None = None) -> dict[str, Any]:
    """Make an assistant's message that calls tools of these ids."""
    function = {"name": "f", "arguments": "{}"}
    made = [{"id": call, "type": "function", "function": function} for call in calls]
    return {"role": "assistant", "content": content, "tool_calls": made}


def result(call: str, content: str = "4") -> dict[str, Any]:
    """Make a message that holds a tool's result."""
    return {"role": "tool", "tool_call_id": call, "content": content}


class TestDeclared:
    """The input *Tools*: one shape for both APIs."""

    @pytest.mark.parametrize(
        "given",
        [
            [TOOL],
            json.dumps([TOOL]),
            [{**TOOL, "strict": None}],
            [{"type": "function", **TOOL}],
            [{"type": "function", "function": TOOL}],
            [{**TOOL, "parameters": json.dumps(PARAMETERS)}],
        ],
        ids=["list", "text", "null", "flat", "nested", "schema_as_text"],
    )
    def test_each_api_gets_its_form(self, given: object) -> None:
        """A tool, however given, is nested for the one API and flat, not strict, for the other."""
        assert chat_request(tools=given)["tools"] == [{"type": "function", "function": TOOL}]
        assert chat_request(tools=given, api="responses")["tools"] == [
            {"type": "function", "strict": False, **TOOL}
        ]

    def test_strict_is_passed_on(self) -> None:
        """A tool that says strict is strict with either API."""
        tool = {**TOOL, "strict": True}
        assert chat_request(tools=[tool])["tools"] == [{"type": "function", "function": tool}]
        assert chat_request(tools=[tool], api="responses")["tools"] == [{"type": "function", **tool}]

    def test_a_tool_may_be_a_name_alone(self) -> None:
        """A tool without parameters takes an object without properties."""
        [tool] = chat_request(tools=[{"name": "now"}])["tools"]
        assert tool["function"] == {"name": "now", "parameters": {"type": "object", "properties": {}}}

    @pytest.mark.parametrize("nothing", [None, "", [], "[]"], ids=repr)
    @pytest.mark.parametrize("api", ["chatCompletions", "responses"])
    def test_no_tools_send_nothing(self, nothing: object, api: str) -> None:
        """An empty list is the same as none."""
        assert "tools" not in chat_request(tools=nothing, api=api)

    @pytest.mark.parametrize("api", ["chatCompletions", "responses"])
    def test_tools_of_the_extra_body_are_added(self, api: str) -> None:
        """The API's own tools, which have no field, stand beside those of the process."""
        search = {"type": "web_search"}
        sent = chat_request(tools=[TOOL], api=api, extraBody={"tools": [search], "tool_choice": "auto"})
        assert len(sent["tools"]) == 2
        assert sent["tools"][1] == search
        assert sent["tool_choice"] == "auto"

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            (5, "TOOLS_KIND"),
            (TOOL, "TOOLS_KIND"),
            ("find_order", "TOOLS_NO_JSON"),
            (["find_order"], "TOOL_KIND"),
            ([None], "TOOL_KIND"),
            ([{}], "TOOL_NAME"),
            ([{"name": ""}], "TOOL_NAME"),
            ([{"name": "find order"}], "TOOL_NAME"),
            ([{"name": "größe"}], "TOOL_NAME"),
            ([{"name": "f\n"}], "TOOL_NAME"),
            ([{"name": "x" * 65}], "TOOL_NAME"),
            ([{"name": 5}], "TOOL_NAME"),
            ([TOOL, {"name": "g"}, TOOL], "TOOL_TWICE"),
            ([{"name": "f", "parameter": {}}], "TOOL_KEYS"),
            ([{"name": "f", "type": "web_search"}], "TOOL_KEYS"),
            ([{"name": "f", "description": 5}], "TOOL_TEXT"),
            ([{"name": "f", "strict": "yes"}], "TOOL_STRICT"),
            ([{"name": "f", "parameters": "{"}], "TOOL_PARAMETERS"),
            ([{"name": "f", "parameters": [1]}], "TOOL_PARAMETERS"),
            ([{"name": "f", "parameters": {"type": "objekt"}}], "TOOL_PARAMETERS"),
            ([{"name": "f", "parameters": {"id": "string"}}], "TOOL_PARAMETERS"),
            ([{"name": "f", "parameters": {"$ref": "https://example.com/x"}}], "TOOL_PARAMETERS"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_bad_tool_is_refused(self, given: object, sentence: str) -> None:
        """One sentence says which tool, and what is wrong with it, before anything is sent."""
        [message] = violations(CHAT | {"tools": given})
        assert message.startswith("Tools ")
        assert sentence in sentences_in(message)


class TestCalled:
    """`output.toolCalls`: never an incident, whatever a model writes."""

    @pytest.mark.parametrize(
        ("text", "arguments"),
        [
            ('{"id":"A1","n":[1,2.5,null]}', {"id": "A1", "n": [1, 2.5, None]}),
            (" {} ", {}),
            ("", {}),
            (None, {}),
            ({"id": "A1"}, {"id": "A1"}),
        ],
        ids=["object", "empty", "no_text", "null", "as_object"],
    )
    def test_good_arguments_are_parsed(self, text: object, arguments: object) -> None:
        """Arguments are a context, with either API."""
        wanted = [{"id": "call_1", "name": "f", "arguments": arguments, "argumentsValid": True}]
        call = {"id": "call_1", "function": {"name": "f", "arguments": text}}
        assert read(body_of(choice_of(None, "tool_calls", tool_calls=[call]))).output["toolCalls"] == wanted
        task = chat(api="responses")
        got = task.read_answer(task.request_body(), response_of(called("f", text)))
        assert got.output["toolCalls"] == wanted
        assert got.output["condition"] == "AS_ASKED"

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "no JSON",
            "[1]",
            '"text"',
            "5",
            "null",
            '{"a": NaN}',
            '{"a": 1e999}',
            '{"id": "A1"} and more',
            '{"a":' * 150 + "1" + "}" * 150,
            "[" * 100_000,
            json.dumps({"a": [{FORBIDDEN_KEY: "x"}]}),
        ],
        ids=[
            "cut_off", "words", "list", "string", "number", "null", "nan", "beyond_a_double", "more", "deep",
            "very_deep", "forbidden",
        ],
    )  # fmt: skip
    def test_other_arguments_stay_text(self, text: str) -> None:
        """What is no JSON object, or none that the engine takes, is handed on as the model wrote it."""
        call = {"id": "1", "function": {"name": "f", "arguments": text}}
        output = read(body_of(choice_of(None, "tool_calls", tool_calls=[call]))).output
        assert output["toolCalls"] == [{"id": "1", "name": "f", "arguments": text, "argumentsValid": False}]
        assert Document.of({"calls": output["toolCalls"]}).text

    def test_an_integer_beyond_64_bits_is_a_double(self) -> None:
        """The engine keeps no such integer."""
        call = {"id": "1", "function": {"name": "f", "arguments": '{"n": 18446744073709551616}'}}
        output = read(body_of(choice_of(None, tool_calls=[call]))).output
        assert output["toolCalls"][0]["arguments"] == {"n": 2.0**64}

    @pytest.mark.parametrize(
        ("message", "ids"),
        [
            (
                {"tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "g"}}]},
                ["call_1", "call_2"],
            ),
            ({"tool_calls": [{"id": "", "function": {"name": "f"}}]}, ["call_1"]),
            ({"tool_calls": [{"id": 7, "function": {"name": "f"}}]}, ["call_1"]),
            ({"function_call": {"name": "f", "arguments": "{}"}}, ["call_1"]),
            ({"tool_calls": [None, "f", {"id": "1"}, {"id": "2", "function": {"name": ""}}]}, []),
            ({"tool_calls": {"id": "1"}}, []),
            ({"tool_calls": None}, []),
            ({"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}]}, ["1"]),
        ],
        ids=["no_id", "empty_id", "number", "older_name", "no_calls", "no_list", "null", "custom"],
    )
    def test_calls_of_other_servers_are_read(self, message: dict[str, Any], ids: list[str]) -> None:
        """A call without an id gets one, the older single call counts, and what is no call is left out."""
        output = read(body_of(choice_of("a", **message))).output
        assert [call["id"] for call in output["toolCalls"]] == ids

    def test_calls_stand_in_the_history(self) -> None:
        """The next chat sees which tools were called: a mere call is said, too."""
        output = read(body_of(choice_of(None, "tool_calls", tool_calls=[CALL]))).output
        assert output["chatHistory"] == [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}]

    @given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=3).map(repr))
    def test_any_arguments_are_taken_by_the_engine(self, text: str) -> None:
        """Whatever a model writes as arguments, the calls are a variable that can be sent."""
        call = {"id": "1", "function": {"name": "f", "arguments": text}}
        output = read(body_of(choice_of(None, tool_calls=[call]))).output
        assert Document.of({"calls": output["toolCalls"]}).text


class TestResults:
    """The input *Tool results*: what the calls gave, behind the message that made them."""

    def test_results_stand_in_place_of_a_prompt(self) -> None:
        """With results the prompt may be empty; they come in the order of the calls."""
        history = [USER, calling("1", "2")]
        given = [{"id": "2", "content": "b"}, {"id": "1", "content": "a"}]
        sent = chat_request(chatHistory=history, toolResults=given, prompt=None)["messages"]
        assert sent == [*history, result("1", "a"), result("2", "b")]

    def test_a_prompt_comes_after_the_results(self) -> None:
        """What the user says beside the results is said after them."""
        sent = chat_request(chatHistory=[calling("1")], toolResults=[{"id": "1", "content": "a"}])["messages"]
        assert sent[1:] == [result("1", "a"), USER]

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("text", "text"),
            ("", ""),
            (5, "5"),
            (0.5, "0.5"),
            (True, "true"),
            (None, "null"),
            ({"state": "sent", "ü": [1, None]}, '{"state":"sent","ü":[1,null]}'),
            ([], "[]"),
            ([{"type": "text", "text": "a"}], '[{"type":"text","text":"a"}]'),
        ],
        ids=repr,
    )
    def test_any_value_is_a_result(self, content: object, text: str) -> None:
        """A text goes as it is, anything else as JSON."""
        given = [{"id": "1", "content": content, "name": "ignored"}]
        assert chat_request(chatHistory=[calling("1")], toolResults=given, prompt="")["messages"][
            1
        ] == result("1", text)

    @pytest.mark.parametrize(
        ("history", "sent"),
        [
            ([calling("1"), USER], [calling("1"), result("1"), USER]),
            ([calling("1"), result("1", "old"), USER, calling("1")],
             [calling("1"), result("1", "old"), USER, calling("1"), result("1")]),
            ([calling("0", "1"), result("0"), USER], [calling("0", "1"), result("0"), result("1"), USER]),
        ],
        ids=["not_last", "id_used_again", "partly_known"],
    )  # fmt: skip
    def test_a_result_stands_behind_its_call(self, history: list[Any], sent: list[Any]) -> None:
        """The API wants results right behind the calls; servers use an id again in a later turn."""
        given = [{"id": "1", "content": "4"}]
        assert chat_request(chatHistory=history, toolResults=given, prompt=None)["messages"] == sent

    @pytest.mark.parametrize(
        ("history", "given", "sentence"),
        [
            ([calling("1")], 5, "RESULTS_KIND"),
            ([calling("1")], {"id": "1", "content": "a"}, "RESULTS_KIND"),
            ([calling("1")], "4", "RESULTS_KIND"),
            ([calling("1")], "four", "RESULTS_NO_JSON"),
            ([calling("1")], ["4"], "RESULT_KIND"),
            ([calling("1")], [None], "RESULT_KIND"),
            ([calling("1")], [{"content": "a"}], "RESULT_ID"),
            ([calling("1")], [{"id": [], "content": "a"}], "RESULT_ID"),
            ([calling("1")], [{"id": "1"}], "RESULT_CONTENT"),
            ([calling("1")], [{"id": "2", "content": "a"}], "RESULT_UNKNOWN"),
            (None, [{"id": "1", "content": "a"}], "RESULT_UNKNOWN"),
            ([USER], [{"id": "1", "content": "a"}], "RESULT_UNKNOWN"),
            (
                [{**calling("1"), "role": "user", "content": "x"}],
                [{"id": "1", "content": "a"}],
                "RESULT_UNKNOWN",
            ),
            ([calling("1")], [{"id": "1", "content": "a"}, {"id": "1", "content": "b"}], "RESULT_TWICE"),
            ([calling("1"), result("1")], [{"id": "1", "content": "a"}], "RESULT_KNOWN"),
            ([calling("1", "2")], [{"id": "1", "content": "a"}], "RESULT_MISSING"),
        ],
        ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
    )
    @pytest.mark.parametrize("api", ["chatCompletions", "responses"])
    def test_a_result_that_does_not_fit_is_refused(
        self, history: object, given: object, sentence: str, api: str
    ) -> None:
        """A result of no call, two of one, or a call without any are told before anything is sent."""
        inputs = {"chatHistory": history, "toolResults": given, "prompt": None, "api": api}
        messages = violations(CHAT | inputs)
        assert {sentence} <= {name for message in messages for name in sentences_in(message)}

    @pytest.mark.parametrize("nothing", [None, "", [], "[]"], ids=repr)
    def test_without_results_the_prompt_is_required(self, nothing: object) -> None:
        """An empty list gives the model nothing to answer."""
        [message] = violations(CHAT | {"toolResults": nothing, "prompt": None})
        assert "INPUT_REQUIRED" in sentences_in(message)
        assert chat_request(toolResults=nothing)["messages"] == [USER]

    @pytest.mark.parametrize("key", ["previous_response_id", "conversation"])
    def test_calls_that_openai_keeps_need_no_history(self, key: str) -> None:
        """Where OpenAI holds the conversation, the calls are known to it alone."""
        given = [{"id": "1", "content": "a"}]
        sent = chat_request(api="responses", toolResults=given, prompt=None, extraBody={key: "resp_1"})
        assert sent["input"] == [{"type": "function_call_output", "call_id": "1", "output": "a"}]

    def test_results_are_private(self) -> None:
        """What a tool gave is repeated in no message, but the words of the API's own form may be."""
        task = chat(chatHistory=[calling("1")], toolResults=[{"id": "1", "content": "SECRET"}])
        assert "SECRET" in task.private_texts()
        assert "function" not in task.private_texts()
