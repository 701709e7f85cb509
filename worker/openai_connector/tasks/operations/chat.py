"""Chat: the next message of a conversation (`POST /chat/completions`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from openai_connector import contract, wording
from openai_connector.contract import AS_ASKED, BPMN_ERROR, COMPLETE, FAIL
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
from openai_connector.tasks.operations.messages import Message, conversation, history, texts_of
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES, DEFAULT_CHAT_MODEL
from openai_connector.tasks.operations.operation import Operation, ReadAnswer, Shortfall
from openai_connector.tasks.operations.response_format import (
    check,
    format_asked,
    response_format_of,
    schema_asked,
)
from openai_connector.tasks.operations.schema import SchemaError

CUSTOM = "custom"
_LABELS = {
    "model": contract.MODEL.label,
    "custom_model": contract.CUSTOM_MODEL.label,
    "response_format": contract.RESPONSE_FORMAT.label,
    "json_schema": contract.JSON_SCHEMA.label,
}
RESERVED = ("model", "messages", "n", "stream")
"""What the extra body may not set. But `stream: false` passes: some servers stream unless they are told."""
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
        if "prompt" not in given:
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

    def request_body(self) -> dict[str, Any]:
        """Return the request's body; that a model refuses a parameter is the API's to say."""
        model = self.custom_model if self.model == CUSTOM else self.model
        max_tokens = self.max_tokens_parameter or "max_completion_tokens"
        given = {
            "model": model,
            "messages": conversation(self.system_message, self.chat_history, self.prompt),
            "n": self.choices,
            "temperature": self.temperature,
            "top_p": self.top_p,
            max_tokens: self.max_tokens,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
            "reasoning_effort": self.reasoning_effort,
            "verbosity": self.verbosity,
            "response_format": self._format(),
        }
        body = {key: value for key, value in given.items() if value is not None}
        return body | (self.extra_body or {})

    def _format(self) -> dict[str, Any] | None:
        if self.response_format == "json_object":
            return {"type": "json_object"}
        return self.json_schema

    def private_texts(self) -> list[str]:
        """Return everything that was said in the conversation."""
        return texts_of(conversation(self.system_message, self.chat_history, self.prompt))

    def missing_in(self, body: Any) -> str | None:
        """Return what an answer lacks: it must have at least one choice with a message that can be read."""
        choices = body.get("choices") if isinstance(body, Mapping) else None
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
        )

    def output(self, request_body: dict[str, Any], body: Any) -> dict[str, Any]:
        """Return text, responses, chatHistory and what else there is of an answer."""
        return self.read_answer(request_body, body).output

    def read_answer(self, request_body: dict[str, Any], body: Any, calls: int = 1) -> ReadAnswer:
        """Return the answer's output; whether it is as asked is told by its first choice."""
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
            "chatHistory": request_body["messages"] + [message for message in said if message is not None],
            "finishReason": choices[0].get("finish_reason"),
            "usage": body.get("usage"),
            "model": body.get("model"),
            "json": value,
            "refusal": refusal_of(first),
            "condition": AS_ASKED if shortfall is None else shortfall.condition,
            "calls": calls,
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
        return request_body | {"messages": [*request_body["messages"], *more]}


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
