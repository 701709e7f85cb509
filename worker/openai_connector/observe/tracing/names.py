"""The names that stand in traces, once each: OpenTelemetry's where it has one, and the worker's own."""

from __future__ import annotations

from typing import Final, NamedTuple


class Name(NamedTuple):
    """A name as the reference shows it."""

    part: str
    """What bears it."""
    name: str
    about: str


ALL: Final[list[Name]] = []
"""In the order of the reference."""
OF_JOB: Final = "The span of a job"
OF_CALL: Final = "The span of a call"
CONTENT: Final = "The span of a call, where content is switched on"
MOMENT: Final = "Moments within the span of a job"


def _name(part: str, name: str, about: str) -> str:
    ALL.append(Name(part, name, about))
    return name


JOB_KEY: Final = _name(OF_JOB, "camunda.job.key", "Key of the job, as text: browsers cannot count so far.")
JOB_TYPE: Final = _name(OF_JOB, "camunda.job.type", "Type of the job.")
PROCESS_ID: Final = _name(OF_JOB, "camunda.process.id", "Id of the process.")
ELEMENT_ID: Final = _name(OF_JOB, "camunda.element.id", "Id of the task in the diagram.")
INSTANCE_KEY: Final = _name(OF_JOB, "camunda.process_instance.key", "Key of the process instance, as text.")
ELEMENT_INSTANCE_KEY: Final = _name(
    OF_JOB, "camunda.element_instance.key", "Key of the task's instance, as text."
)
TENANT: Final = _name(OF_JOB, "camunda.tenant.id", "Tenant of the job.")
TEMPLATE_ID: Final = _name(OF_JOB, "camunda.element_template.id", "Template of the task, where it has one.")
TEMPLATE_VERSION: Final = _name(OF_JOB, "camunda.element_template.version", "Version of that template.")
RETRIES: Final = _name(OF_JOB, "camunda.job.retries", "Retries left when the job came.")
RETRIES_LEFT: Final = _name(
    OF_JOB, "camunda.job.retries_left", "Of a job that failed: retries left after it; 0 is an incident."
)
OUTCOME: Final = _name(
    OF_JOB,
    "camunda.job.outcome",
    "`completed`, `failed`, `bpmnError`; `gone`: the engine had the job no more. Jobs that go back to wait "
    "are `failed` too, with a moment that says why.",
)
DELIVERY: Final = _name(
    OF_JOB,
    "camunda.job.delivery",
    "What became of telling the engine: `done`, `gone`, `undelivered`, ...",
)
BPMN_ERROR: Final = _name(OF_JOB, "camunda.bpmn_error.code", "Code of the BPMN error that was thrown.")
ERROR_CODE: Final = _name(
    OF_JOB, "openai_connector.error.code", "`error.code` of error expressions, of what went wrong."
)
BATCH_ID: Final = _name(OF_JOB, "openai_connector.batch.id", "Batch that has, or had, the job's request.")

ERROR_TYPE: Final = _name(
    OF_CALL,
    "error.type",
    "Status of 400 or above; else `error.type` of error expressions, or `cut`: the worker stopped or the job "
    "ended. Of the span of a job: `error.type` of error expressions.",
)
OPERATION: Final = _name(OF_CALL, "gen_ai.operation.name", "`chat`, `embeddings`, `moderation`, ...")
PROVIDER: Final = _name(
    OF_CALL,
    "gen_ai.provider.name",
    "`openai`, `azure.ai.openai`; `_OTHER`: a server of somebody's own.",
)
SYSTEM: Final = _name(OF_CALL, "gen_ai.system", "The same by its older name.")
MODEL: Final = _name(OF_CALL, "gen_ai.request.model", "Model that was asked.")
TEMPERATURE: Final = _name(OF_CALL, "gen_ai.request.temperature", "As asked, where it was.")
TOP_P: Final = _name(OF_CALL, "gen_ai.request.top_p", "As asked, where it was.")
MAX_TOKENS: Final = _name(OF_CALL, "gen_ai.request.max_tokens", "As asked, where it was.")
FREQUENCY_PENALTY: Final = _name(OF_CALL, "gen_ai.request.frequency_penalty", "As asked, where it was.")
PRESENCE_PENALTY: Final = _name(OF_CALL, "gen_ai.request.presence_penalty", "As asked, where it was.")
CHOICES: Final = _name(OF_CALL, "gen_ai.request.choice.count", "As asked, where it was.")
RESPONSE_MODEL: Final = _name(OF_CALL, "gen_ai.response.model", "Model that answered.")
RESPONSE_ID: Final = _name(
    OF_CALL, "gen_ai.response.id", "Id of the answer; of the span of a job that waits too."
)
FINISH_REASONS: Final = _name(
    OF_CALL,
    "gen_ai.response.finish_reasons",
    "Why the model ended, a text a choice; in the Responses API its status.",
)
TOKENS_IN: Final = _name(OF_CALL, "gen_ai.usage.input_tokens", "Tokens of the input.")
TOKENS_OUT: Final = _name(OF_CALL, "gen_ai.usage.output_tokens", "Tokens of the answer.")
TOKENS_CACHED: Final = _name(
    OF_CALL, "gen_ai.usage.cache_read.input_tokens", "Tokens of the input that the API had cached."
)
TOKENS_REASONING: Final = _name(
    OF_CALL, "gen_ai.usage.reasoning.output_tokens", "Tokens of the answer that the model thought with."
)
HTTP_STATUS: Final = _name(OF_CALL, "http.response.status_code", "Status of the response.")
SERVER: Final = _name(OF_CALL, "server.address", "Host that was asked.")
PORT: Final = _name(OF_CALL, "server.port", "Its port, where the address names one.")
WAITED: Final = _name(
    OF_CALL,
    "openai_connector.waited_seconds",
    "Of an answer that was made elsewhere and fetched: seconds since it was bought. Such a span has "
    "no length.",
)
MESSAGES_IN: Final = _name(CONTENT, "gen_ai.input.messages", "What was asked, as JSON by the conventions.")
MESSAGES_OUT: Final = _name(
    CONTENT, "gen_ai.output.messages", "What was answered, as JSON by the conventions."
)
INSTRUCTIONS: Final = _name(
    CONTENT, "gen_ai.system_instructions", "The system message, where the Responses API was asked."
)

REUSED: Final = _name(MOMENT, "answer reused", "A stored answer was used; the API was not asked.")
LOST: Final = _name(
    MOMENT, "call lost", "A worker ended in mid-call before; that call may have been paid for and lost."
)
HELD_BACK: Final = _name(
    MOMENT,
    "held back",
    "Nothing was sent. `openai_connector.reason`: `limit`, `host`, `share`, `payload`, `midCall`, `store`.",
)
UNEXPECTED: Final = _name(
    MOMENT,
    "answer unexpected",
    "The answer was not as asked. `openai_connector.reason` is its condition, `openai_connector.asked_again` "
    "whether the model was asked once more.",
)
AWAITED: Final = _name(
    MOMENT,
    "answer awaited",
    "The job goes back: its answer is still made, since `openai_connector.waited_seconds`.",
)
FETCHED: Final = _name(MOMENT, "answer fetched", "An answer that was made elsewhere is here.")

REASON: Final = "openai_connector.reason"
ASKED_AGAIN: Final = "openai_connector.asked_again"
LINK: Final = "openai_connector.link"
BEFORE: Final = "activation before"
"""The value of `LINK`: the job's span the last time that this worker had it."""
GONE: Final = "gone"
CUT: Final = "cut"
