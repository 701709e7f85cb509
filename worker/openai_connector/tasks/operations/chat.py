"""Chat: the next message of a conversation (`POST /chat/completions`, or `POST /responses`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from openai_connector import contract, wording
from openai_connector.contract import AS_ASKED, BPMN_ERROR, COMPLETE, FAIL
from openai_connector.openai_api import ApiResponse, check_answer, check_final
from openai_connector.tasks.operations import responses_answer, responses_request
from openai_connector.tasks.operations.chat_answer import (
    HOW_TO_DO_BETTER,
    in_order,
    is_json_content,
    message_of,
    read_json,
    refusal_of,
    said_in,
    shortfall_of,
    text_of,
)
from openai_connector.tasks.operations.fields import (
    Given,
    Shown,
    choice,
    content,
    declared,
    is_given,
    line,
    number,
    read_context,
    switch,
    violation,
    whole_number,
)
from openai_connector.tasks.operations.messages import (
    Message,
    conversation,
    history,
    texts_of,
    without_reasoning,
)
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES, DEFAULT_CHAT_MODEL
from openai_connector.tasks.operations.operation import Operation, ReadAnswer, Shortfall
from openai_connector.tasks.operations.response_format import (
    check,
    flat,
    format_asked,
    response_format_of,
    schema_asked,
)
from openai_connector.tasks.operations.schema import SchemaError
from openai_connector.tasks.operations.tokens import tokens_of
from openai_connector.tasks.operations.tools import (
    Tool,
    as_chat_tool,
    as_responses_tool,
    calls_of,
    result_list,
    result_misfits,
    shown,
    tool_list,
)
from openai_connector.tasks.task_type import AnswerNeeded

CUSTOM = "custom"
_LABELS = {
    "model": contract.MODEL.label,
    "custom_model": contract.CUSTOM_MODEL.label,
    "response_format": contract.RESPONSE_FORMAT.label,
    "json_schema": contract.JSON_SCHEMA.label,
    "api": contract.API.label,
    "answer_needed": contract.ANSWER_NEEDED.label,
}
CHAT_COMPLETIONS = "chatCompletions"
RESPONSES = "responses"
APIS = {CHAT_COMPLETIONS: "Chat Completions", RESPONSES: "Responses"}
NEEDED = {
    AnswerNeeded.NOW.value: "Now",
    AnswerNeeded.NOW_KEPT.value: "Now, never bought twice",
    AnswerNeeded.WITHIN_2H.value: "Within 2 hours, 30 % cheaper",
    AnswerNeeded.WITHIN_8H.value: "Within 8 hours, 40 % cheaper",
    AnswerNeeded.WITHIN_A_DAY.value: "Within a day, 50 % cheaper",
}
KEPT = (AnswerNeeded.NOW_KEPT, AnswerNeeded.WITHIN_2H, AnswerNeeded.WITHIN_8H)
"""Answers that OpenAI keeps: they go by the Responses API, whatever the task says."""
BY_THE_API_CHOSEN = tuple(needed.value for needed in AnswerNeeded if needed not in KEPT)
WINDOWS = (AnswerNeeded.WITHIN_2H, AnswerNeeded.WITHIN_8H)
RESERVED = ("model", "messages", "n", "stream")
"""What the extra body may not set. But `stream: false` passes: some servers stream unless they are told."""
ENCRYPTED = "reasoning.encrypted_content"
"""What a task includes that wants the encrypted reasoning."""
REACTIONS = {FAIL: "Incident", BPMN_ERROR: "BPMN error", COMPLETE: "Complete anyway"}
EFFORTS = {effort: effort for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max")}
VERBOSITIES = {verbosity: verbosity for verbosity in ("low", "medium", "high")}
FORMATS = {"text": "Text", "json_object": "JSON object", "json_schema": "JSON that follows a schema"}
MAX_TOKENS_PARAMETERS = {
    "max_completion_tokens": "max_completion_tokens (OpenAI)",
    "max_tokens": "max_tokens (older compatible servers)",
}


def _read_extra_body(value: Any) -> dict[str, Any] | None:
    if not is_given(value):
        return None
    body = read_context(value)
    taken = [key for key in RESERVED if key in body and not (key == "stream" and body[key] is False)]
    if taken:
        raise violation(wording.INPUT_NOT_TO_SET(names=", ".join(taken)), private=True)
    try:
        schema = schema_asked(body)
        if schema is not None:
            check(schema)
    except SchemaError as error:
        raise violation(wording.INPUT_SCHEMA(problem=error), private=True) from None
    return body


def _read_schema(value: Any) -> dict[str, Any] | None:
    """Read a JSON schema, bare, with its name or as a whole response format, as the latter."""
    if not is_given(value):
        return None
    try:
        return response_format_of(read_context(value))
    except SchemaError as error:
        raise violation(wording.INPUT_SCHEMA(problem=error), private=True) from None


additions = BeforeValidator(_read_extra_body)
schema = BeforeValidator(_read_schema)


class Chat(Operation):
    """The inputs of a chat task. Each parameter is sent only when it is given."""

    name: ClassVar[str] = "chat"
    label: ClassVar[str] = "Chat"
    about: ClassVar[str] = "a model answers a prompt."
    path: ClassVar[str] = "/chat/completions"

    model: Annotated[
        str | None,
        line,
        Shown(
            "model",
            kind="Dropdown",
            choices=CHAT_MODEL_CHOICES | {CUSTOM: "Custom"},
            default=DEFAULT_CHAT_MODEL,
            required=True,
            feel=None,
            description="For any other model, also a fine-tuned one or one from a variable, choose Custom",
        ),
    ] = declared(contract.MODEL)
    custom_model: Annotated[
        str | None,
        line,
        Shown(
            "model",
            description="The model's id, for example <code>ft:gpt-5.4-mini:acme::abc123</code>",
            required=True,
            condition=("model", (CUSTOM,)),
        ),
    ] = declared(contract.CUSTOM_MODEL)
    azure_deployment: Annotated[str | None, line] = declared(contract.AZURE_DEPLOYMENT)
    answer_needed: Annotated[
        str | None,
        choice(NEEDED),
        Shown(
            "model",
            kind="Dropdown",
            choices=NEEDED,
            default=AnswerNeeded.NOW.value,
            feel=None,
            description="Never bought twice: the full price, and a crash costs nothing, for OpenAI keeps the "
            "answer. The others wait in the engine, without a worker; the times are OpenAI's aims, not "
            "guarantees",
        ),
    ] = declared(contract.ANSWER_NEEDED)
    api: Annotated[
        str | None,
        choice(APIS),
        Shown(
            "model",
            kind="Dropdown",
            choices=APIS,
            default=CHAT_COMPLETIONS,
            feel=None,
            description="Responses is OpenAI's newer API, which gpt-6 models want for tools. The task gives "
            "back the same",
            condition=("answer_needed", BY_THE_API_CHOSEN),
        ),
    ] = declared(contract.API)
    system_message: Annotated[
        Any,
        content,
        Shown(
            "prompt",
            kind="Text",
            description="How the model is to behave, for example: You are a friendly clerk. Answer in one "
            "sentence.",
        ),
    ] = declared(contract.SYSTEM_MESSAGE, repr=False)
    chat_history: Annotated[
        list[Message] | None,
        history,
        Shown(
            "prompt",
            kind="Text",
            feel="required",
            description="Lets the model remember what was said. After a task with the result variable "
            "answer: <code>answer.output.chatHistory</code>",
        ),
    ] = declared(contract.CHAT_HISTORY, repr=False)
    prompt: Annotated[
        Any,
        content,
        Shown(
            "prompt",
            kind="Text",
            required=True,
            description='What is asked. With a process variable: <code>="Summarize: " + ticket.text</code>',
        ),
    ] = declared(contract.PROMPT, repr=False)
    tools: Annotated[
        list[Tool] | None,
        tool_list,
        Shown(
            "tools",
            kind="Text",
            feel="required",
            description='What the model may ask the process to do: <code>[{name: "find_order", description: '
            '"Finds an order by its number", parameters: {type: "object", properties: {number: {type: '
            '"string"}}, required: ["number"]}}]</code>. What it asks for is in '
            "<code>response.output.toolCalls</code>",
        ),
    ] = declared(contract.TOOLS, repr=False)
    tool_results: Annotated[
        list[Message] | None,
        result_list,
        Shown(
            "tools",
            kind="Text",
            feel="required",
            description="What the last answer's calls gave: <code>[{id: call.id, content: order}]</code>. "
            "Chat history must be that answer's, and Prompt may be <code>=null</code>",
        ),
    ] = declared(contract.TOOL_RESULTS, repr=False)
    temperature: Annotated[
        float | int | None,
        number(0, 2),
        Shown(
            "parameters",
            description="0 (always alike) to 2 (varied), for example <code>0.7</code>. Leave empty for "
            "reasoning models such as gpt-5 and gpt-6: they refuse it",
            pattern=r"(0|1)(\.[0-9]{1,2})?|2(\.0{1,2})?",
            pattern_message="must be a number between 0 and 2, for example 0.7",
        ),
    ] = declared(contract.TEMPERATURE)
    top_p: Annotated[
        float | int | None,
        number(0, 1),
        Shown(
            "parameters",
            description="0 to 1, for example <code>0.9</code>: only the likeliest words. Set this or "
            "Temperature, not both. Leave empty for reasoning models",
            pattern=r"0(\.[0-9]{1,2})?|1(\.0{1,2})?",
            pattern_message="must be a number between 0 and 1, for example 0.9",
        ),
    ] = declared(contract.TOP_P)
    max_tokens: Annotated[
        int | None,
        whole_number(1),
        Shown(
            "parameters",
            description="Limit of the answer's length and price, for example <code>1000</code> (about 750 "
            "words). A model's reasoning counts too",
            pattern=r"[1-9][0-9]*",
            pattern_message="must be a whole number of at least 1, for example 1000",
        ),
    ] = declared(contract.MAX_TOKENS)
    max_tokens_parameter: Annotated[
        str | None,
        choice(MAX_TOKENS_PARAMETERS),
        Shown(
            "parameters",
            kind="Dropdown",
            choices=MAX_TOKENS_PARAMETERS,
            default="max_completion_tokens",
            feel=None,
            description="Leave it as it is for OpenAI. Some other APIs know <code>max_tokens</code> only",
            condition=("api", (CHAT_COMPLETIONS,)),
        ),
    ] = declared(contract.MAX_TOKENS_PARAMETER)
    frequency_penalty: Annotated[
        float | int | None,
        number(-2, 2),
        Shown(
            "parameters",
            description="-2 to 2, for example <code>0.5</code>: above 0, the answer repeats words less. "
            "Leave empty for reasoning models",
            pattern=r"-?((0|1)(\.[0-9]{1,2})?|2(\.0{1,2})?)",
            pattern_message="must be a number between -2 and 2, for example 0.5",
            condition=("api", (CHAT_COMPLETIONS,)),
        ),
    ] = declared(contract.FREQUENCY_PENALTY)
    presence_penalty: Annotated[
        float | int | None,
        number(-2, 2),
        Shown(
            "parameters",
            description="-2 to 2, for example <code>0.5</code>: above 0, the answer turns to new topics "
            "sooner. Leave empty for reasoning models",
            pattern=r"-?((0|1)(\.[0-9]{1,2})?|2(\.0{1,2})?)",
            pattern_message="must be a number between -2 and 2, for example 0.5",
            condition=("api", (CHAT_COMPLETIONS,)),
        ),
    ] = declared(contract.PRESENCE_PENALTY)
    choices: Annotated[
        int | None,
        whole_number(1),
        Shown(
            "parameters",
            description="How many answers to the same prompt, for example <code>3</code>; each is paid for. "
            "Empty: one",
            pattern=r"[1-9][0-9]*",
            pattern_message="must be a whole number of at least 1, for example 3",
            condition=("api", (CHAT_COMPLETIONS,)),
        ),
    ] = declared(contract.CHOICES)
    reasoning_effort: Annotated[
        str | None,
        choice(EFFORTS),
        Shown(
            "parameters",
            kind="Dropdown",
            choices=EFFORTS,
            feel=None,
            description="How long a reasoning model thinks. Not every model knows every effort. Empty: the "
            "model's default",
        ),
    ] = declared(contract.REASONING_EFFORT)
    verbosity: Annotated[
        str | None,
        choice(VERBOSITIES),
        Shown(
            "parameters",
            kind="Dropdown",
            choices=VERBOSITIES,
            feel=None,
            description="How detailed the answer is. Not every model knows it. Empty: the model's default",
        ),
    ] = declared(contract.VERBOSITY)
    extra_body: Annotated[
        dict[str, Any] | None,
        additions,
        Shown(
            "parameters",
            kind="Text",
            feel="required",
            description='Other parameters of the API, by its own names: <code>{stop: ["END"], seed: '
            "7}</code>",
        ),
    ] = declared(contract.EXTRA_BODY, repr=False)
    response_format: Annotated[
        str | None,
        choice(FORMATS),
        Shown(
            "responseFormat",
            kind="Dropdown",
            choices=FORMATS,
            default="text",
            feel=None,
            description="JSON object: the prompt must contain the word JSON. The answer is then in "
            "<code>response.output.json</code>",
        ),
    ] = declared(contract.RESPONSE_FORMAT)
    json_schema: Annotated[
        dict[str, Any] | None,
        schema,
        Shown(
            "responseFormat",
            kind="Text",
            required=True,
            condition=("response_format", ("json_schema",)),
            description='What the answer looks like: <code>{"type": "object", "properties": {"city": '
            '{"type": '
            '"string"}}, "required": ["city"], "additionalProperties": false}</code>',
        ),
    ] = declared(contract.JSON_SCHEMA, repr=False)
    unexpected_answer: Annotated[
        str | None,
        choice(REACTIONS),
        Shown(
            "responseFormat",
            kind="Dropdown",
            choices=REACTIONS,
            feel=None,
            description="If it is empty, cut off, refused, filtered, no JSON, or not as the schema has it. "
            "BPMN error: caught by a boundary event with a code such as <code>ANSWER_NOT_JSON</code>. Empty: "
            "an incident where JSON was asked for, else the task completes",
        ),
    ] = declared(contract.UNEXPECTED_ANSWER)
    repair: Annotated[
        bool | None,
        switch,
        Shown(
            "responseFormat",
            kind="Dropdown",
            choices={"false": "No", "true": "Yes, with one more call"},
            feel=None,
            description="Shows the model its answer and what was wrong. The second call is paid for, too",
        ),
    ] = declared(contract.REPAIR)

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[str]:
        """Return what is missing or does not fit together, whatever else is wrong."""
        if "prompt" not in given and given.get("tool_results") in (None, [], "[]"):
            yield wording.INPUT_REQUIRED(label=contract.PROMPT.label, but=given.but("prompt"))
        custom = str(given.get("model", "")).strip() == CUSTOM
        if "model" not in given and "azure_deployment" not in given:
            yield wording.INPUT_REQUIRED(label=contract.MODEL.label, but=given.but("model"))
        if custom and "custom_model" not in given:
            yield wording.CUSTOM_REQUIRED(but=given.but("custom_model"), **_LABELS)
        if "custom_model" in given and not custom:
            yield wording.CUSTOM_UNUSED(**_LABELS)
        schema = str(given.get("response_format", "")).strip().lower() == "json_schema"
        asked = FORMATS["json_schema"]
        if schema and "json_schema" not in given:
            yield wording.SCHEMA_REQUIRED(asked=asked, but=given.but("json_schema"), **_LABELS)
        if "json_schema" in given and not schema:
            yield wording.SCHEMA_UNUSED(asked=asked, **_LABELS)

    def misfits(self) -> Iterator[str]:
        """Yield which tool results have no call, and what has no place with the API or the answer needed."""
        extra = self.extra_body or {}
        if self.tool_results and not {"previous_response_id", "conversation"} & extra.keys():
            yield from result_misfits(self.chat_history or [], self.tool_results)
        yield from self._azure_misfits()
        if self.is_by_responses:
            yield from self._responses_misfits(extra)
        if self.needed in KEPT:
            yield from responses_request.kept_misfits(extra, in_window=self.needed in WINDOWS)

    def _azure_misfits(self) -> Iterator[str]:
        if self.azure_deployment is None:
            return
        if self.needed is not AnswerNeeded.NOW:
            yield wording.AZURE_NOW(**_LABELS)
        elif self.is_by_responses:
            yield wording.RESPONSES_AZURE(label=contract.API.label)

    def _responses_misfits(self, extra: Mapping[str, Any]) -> Iterator[str]:
        # A value that is the API's own default asks for nothing.
        given = {
            contract.CHOICES: self.choices not in (None, 1),
            contract.FREQUENCY_PENALTY: bool(self.frequency_penalty),
            contract.PRESENCE_PENALTY: bool(self.presence_penalty),
            contract.MAX_TOKENS_PARAMETER: self.max_tokens_parameter == "max_tokens",
        }
        contents = {
            contract.SYSTEM_MESSAGE: _messages("system", self.system_message),
            contract.CHAT_HISTORY: self.chat_history or [],
            contract.PROMPT: _messages("user", self.prompt),
        }
        yield from responses_request.misfits(extra, given, contents, is_kept=self.needed in KEPT)

    @cached_property
    def needed(self) -> AnswerNeeded:
        """Return when the answer is needed."""
        return AnswerNeeded(self.answer_needed or AnswerNeeded.NOW)

    @cached_property
    def is_by_responses(self) -> bool:
        """Check whether the task goes by the Responses API."""
        return self.api == RESPONSES or self.needed in KEPT

    @property
    def asked_path(self) -> str:
        """Return the path of the API that the task goes by."""
        return responses_request.PATH if self.is_by_responses else self.path

    def request_body(self) -> dict[str, Any]:
        """Return the request's body; that a model refuses a parameter is the API's to say."""
        body = self._responses_body() if self.is_by_responses else self._chat_body()
        extra = dict(self.extra_body or {})
        if self.tools and isinstance(extra.get("tools"), list):
            extra["tools"] = [*body["tools"], *extra["tools"]]
        return responses_request.merged(body, extra) if self.is_by_responses else body | extra

    def _chat_body(self) -> dict[str, Any]:
        max_tokens = self.max_tokens_parameter or "max_completion_tokens"
        return _given(
            {
                "model": self._model(),
                "messages": without_reasoning(self._messages()),
                "n": self.choices,
                "temperature": self.temperature,
                "top_p": self.top_p,
                max_tokens: self.max_tokens,
                "frequency_penalty": self.frequency_penalty,
                "presence_penalty": self.presence_penalty,
                "reasoning_effort": self.reasoning_effort,
                "verbosity": self.verbosity,
                "response_format": self._format(),
                "tools": [as_chat_tool(tool) for tool in self.tools] if self.tools else None,
            }
        )

    def _responses_body(self) -> dict[str, Any]:
        asked = self._format()
        text = _given({"format": None if asked is None else flat(asked), "verbosity": self.verbosity})
        return _given(
            {
                "model": self._model(),
                "input": responses_request.input_items(self._messages()),
                "temperature": self.temperature,
                "top_p": self.top_p,
                "max_output_tokens": self.max_tokens,
                "reasoning": _given({"effort": self.reasoning_effort}) or None,
                "text": text or None,
                "tools": [as_responses_tool(tool) for tool in self.tools] if self.tools else None,
            }
        )

    def _model(self) -> str | None:
        return self.custom_model if self.model == CUSTOM else self.model

    def _messages(self) -> list[Message]:
        return conversation(self.system_message, self.chat_history, self.prompt, self.tool_results)

    def _format(self) -> dict[str, Any] | None:
        if self.response_format == "json_object":
            return {"type": "json_object"}
        return self.json_schema

    def private_texts(self) -> list[str]:
        """Return everything that was said in the conversation."""
        return texts_of(self._messages())

    def pending(self, body: Any) -> str | None:
        """Return the id of an answer that is still being made."""
        return responses_answer.pending_id(body) if self.is_by_responses else None

    def check(self, response: ApiResponse) -> None:
        """Check that a response is an answer of the API that the task goes by."""
        (check_final if self.is_by_responses else check_answer)(response, missing_in=self.missing_in)

    def kept(self, request_body: dict[str, Any], body: Any) -> Any:
        """Return what is kept of an answer's body: encrypted reasoning only where it was asked for."""
        included = request_body.get("include")
        is_asked = isinstance(included, list) and ENCRYPTED in included
        return body if is_asked or not self.is_by_responses else responses_answer.without_encrypted(body)

    def missing_in(self, body: Any) -> str | None:
        """Return what an answer lacks: it must have at least one choice with a message that can be read."""
        if self.is_by_responses:
            return responses_answer.missing_in(body)
        choices = body.get("choices") if isinstance(body, dict) else None
        if not isinstance(choices, list) or not choices:
            return "choices"
        if all(message_of(choice) is None for choice in choices):
            return "message in its choices that can be read"
        return None

    @classmethod
    def outputs(cls) -> tuple[str, ...]:
        """Return the names of the keys of `output`."""
        return (
            "text",
            "responses",
            "chatHistory",
            "finishReason",
            "usage",
            "model",
            "json",
            "refusal",
            "condition",
            "calls",
            "toolCalls",
            "tokens",
        )

    def output(self, request_body: dict[str, Any], body: Any) -> dict[str, Any]:
        """Return text, responses, chatHistory and what else there is of an answer."""
        return self.read_answer(request_body, body).output

    def read_answer(self, request_body: dict[str, Any], body: Any, calls: int = 1) -> ReadAnswer:
        """Return the answer's output; whether it is as asked is told by its first choice."""
        if self.is_by_responses:
            body = responses_answer.as_chat_answer(body)
        choices = in_order(body["choices"])
        messages = [message_of(choice) for choice in choices]
        first = messages[0] or {}
        responses = [None if message is None else text_of(message.get("content")) for message in messages]
        value, problem = _json(
            first.get("content"), responses[0], is_asked=format_asked(request_body) is not None
        )
        shortfall = shortfall_of(request_body, choices[0], first, responses[0], value, problem)
        said = [said_in(message) for message in messages if message is not None]
        output = {
            "text": responses[0],
            "responses": responses,
            "chatHistory": self._messages() + [message for message in said if message is not None],
            "finishReason": choices[0].get("finish_reason"),
            "usage": body.get("usage"),
            "model": body.get("model"),
            "json": value,
            "refusal": refusal_of(first),
            "condition": AS_ASKED if shortfall is None else shortfall.condition,
            "calls": calls,
            "toolCalls": [shown(call) for call in calls_of(first)],
            "tokens": tokens_of(body.get("usage")),
        }
        return ReadAnswer(output, shortfall)

    def reaction(self, request_body: dict[str, Any]) -> str | None:
        """Return what the task says; where it says nothing, JSON that is none must not go on in silence."""
        if self.unexpected_answer is None and format_asked(request_body):
            return FAIL
        return self.unexpected_answer

    def body_to_ask_again(
        self, request_body: dict[str, Any], output: dict[str, Any], shortfall: Shortfall
    ) -> dict[str, Any] | None:
        """Return the same conversation with the answer, and what was wrong with it."""
        if not self.repair or not shortfall.can_ask_again:
            return None
        said = [{"role": "assistant", "content": output["text"]}] if is_given(output["text"]) else []
        better = HOW_TO_DO_BETTER[shortfall.condition](problem=shortfall.problem)
        more = [*said, {"role": "user", "content": better}]
        messages = "input" if self.is_by_responses else "messages"
        return request_body | {messages: [*request_body[messages], *more]}


def _messages(role: str, content: Any) -> list[Message]:
    return [] if content is None else [{"role": role, "content": content}]


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _json(content: Any, text: str | None, *, is_asked: bool) -> tuple[Any, str | None]:
    """Return a content as JSON, and why it is none where it was to be."""
    if is_json_content(content):
        return content, None
    if not is_asked:
        return None, None
    try:
        return read_json(text or ""), None
    except ValueError as error:
        return None, str(error)
