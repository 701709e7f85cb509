"""Every sentence that an operator or a modeler reads about a job, once, by id, with its parameters.

The id of a sentence is the name of its constant. Tests and docs refer to ids, never to words: to change a
sentence, change it here. A parameter that is a label (`{base_url}`) is filled in the words of the panel that
the task has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


class Sentence:
    """A sentence with its parameters in braces; calling it fills them in."""

    __slots__ = ("id", "text")

    def __init__(self, text: str) -> None:
        self.id = ""
        self.text = text

    def __call__(self, **parameters: object) -> str:
        """Return the sentence with its parameters."""
        return self.text.format_map(parameters)

    def __repr__(self) -> str:
        return f"<{self.id}>"


# Ends of incident messages: what to do about a kept answer

IS_KEPT = Sentence(
    ". The answer is kept: set the local variable {result_expression} or {error_expression} at the task in "
    "Operate, as a text in double quotes, then retry the incident; the API is not asked again"
)
IS_STORED = Sentence(
    ". The engine cannot take the answer; the worker's store keeps it, for CONNECTOR_STORE_RETENTION at "
    "most. Set the local variable {result_expression} or {error_expression} at the task in Operate, as a "
    "text in double quotes, then retry the incident; the API is not asked again"
)
IS_TOO_LARGE_TO_KEEP = Sentence(
    ". The answer is too large to be kept: retrying the incident asks the API, and pays, again"
)
IS_KEPT_BY_API = Sentence(
    ". The answer is kept by the API: retrying the incident fetches it, and buys nothing"
)
LEFT_OUT = Sentence(". Variables of this failure were left out: they are too large")
COULD_NOT_BE_STORED = Sentence(
    ". But the engine refused this failure's variables, and an answer kept in them ({reason})"
)

# Budgets

BUDGET_EXCEEDED = Sentence(
    "The call was not made, and nothing was paid for: it may cost up to {needed} {currency}, and of the "
    "budget {budget} ({amount} {currency} a {per}) {spent} {currency} are spent, or reserved by calls "
    "under way. What these do not use is free again when they end: retry the incident soon. What is spent "
    "stays so until {until}: wait until then, or raise the amount in the file of CONNECTOR_BUDGETS; then "
    "retry the incident. A limit of the answer's tokens at the task makes the call smaller"
)
BUDGET_USED_UP = Sentence(
    "The call was not made, and nothing was paid for: what it may cost is not known, and of the budget "
    "{budget} ({amount} {currency} a {per}) {spent} {currency} are spent, or reserved by calls under way. "
    "What these do not use is free again when they end: retry the incident soon. What is spent stays so "
    "until {until}: wait until then, or raise the amount in the file of CONNECTOR_BUDGETS; then retry the "
    "incident"
)
BUDGET_TOO_SMALL = Sentence(
    "The call was not made, and nothing was paid for: it may cost up to {needed} {currency}, more than "
    "the whole budget {budget} ({amount} {currency} a {per}). Waiting does not help: set a limit of the "
    "answer's tokens at the task, which makes the call smaller, or raise the amount in the file of "
    "CONNECTOR_BUDGETS; then retry the incident"
)
BUDGET_OF_NOTHING = Sentence(
    "The call was not made, and nothing was paid for: what it may cost is not known, and nothing may be "
    "spent of the budget {budget} ({amount} {currency} a {per}). Waiting does not help: raise the amount "
    "in the file of CONNECTOR_BUDGETS, or add the price to the file of CONNECTOR_PRICES; then retry the "
    "incident"
)
BUDGET_REFUSED = Sentence(
    "The call was not made, and nothing was paid for: the price of {model} is not known in {currency}, "
    "and the budget {budget} takes no such calls. Waiting does not help: add the price to the file of "
    'CONNECTOR_PRICES, for the model "*" of its host where a request names none, or set unpriced = '
    '"count" at the budget; then retry the incident'
)
BUDGET_UNPRICED = Sentence(
    "Budget {budget}: before the call, the price of {model} is not known in its currency. Nothing is "
    "reserved for such calls; they count with what they did cost where the answer's price is known, and "
    'are refused where the budget is used up or has unpriced = "refuse". Add the price to the file of '
    'CONNECTOR_PRICES; where requests name no model, for the model "*" of their host'
)
THE_MODEL = Sentence("the model {model}")
THE_DEPLOYMENT = Sentence("the deployment {deployment}, whose model the request does not name")
NO_MODEL = Sentence("this request, which names no model,")
BUDGETS_LOADED = Sentence("CONNECTOR_BUDGETS: {count} budgets are in force")
BUDGETS_WRONG = Sentence("CONNECTOR_BUDGETS: {problem}. What was read before stays in force")
BUDGETS_LOCAL = Sentence(
    "CONNECTOR_BUDGETS without CONNECTOR_STORE: each worker process counts for itself, from nothing at each "
    "start. Set CONNECTOR_STORE, so that budgets hold across workers and restarts"
)

# Ends of messages of failed calls: what becomes of the job

TRIED_AGAIN = Sentence(". The job is tried again")
WAIT_TOO_LONG = Sentence(
    ". The API asks to wait {asked}, more than is left of CONNECTOR_MAX_WAIT_TIME: retry the incident after "
    "that time"
)

GOES_BACK = Sentence(". The job goes back to the engine and loses no retry")
HOST_DOWN_SINCE = Sentence(". The API has failed every task since {since}")
HELD_TOO_LONG = Sentence(
    ". That is as long as CONNECTOR_MAX_WAIT_TIME lets a job wait: retry the incident when this is over"
)

# Why nothing was sent for a job

HELD_BY_LIMIT = Sentence("Nothing was sent: as much as the rate limit allows is asked of {host} already")
HELD_BY_HOST = Sentence("Nothing was sent: {host} is down")
IN_MID_CALL = Sentence("Nothing was sent: another worker is in mid-call for this job")
WORKER_ENDED = Sentence(
    "Nothing was sent: {times} workers have ended in mid-call for this job, and it may be what ends them. "
    "Look at the workers' logs of that time, then retry the incident"
)
HELD_BY_SHARE = Sentence("Nothing was sent: others wait for the worker's slots (CONNECTOR_FAIR_SHARE)")
HELD_BY_PAYLOAD = Sentence(
    "Nothing was sent: the requests under way are large enough (CONNECTOR_MAX_PAYLOAD)"
)

# What the worker's HTTP endpoint says of its state

STATUS_STOPPING = Sentence("The worker stops: it takes no more jobs")
STATUS_NO_ENGINE = Sentence(
    "The engine gives no jobs of type {types}: {reason}. The worker asks it again and again by itself"
)
STATUS_NOT_ASKED = Sentence("it has not answered yet")
STATUS_HOST_DOWN = Sentence(
    "The API at {host} has failed every job for {seconds} s: its jobs wait, and become incidents after "
    "CONNECTOR_MAX_WAIT_TIME. Check the status page of the API and the way to it"
)
STATUS_SEE_INCIDENT = Sentence("Its message in Operate says what to correct")
STATUS_ONLY_GET = Sentence("This endpoint only shows: GET and HEAD")
STATUS_NO_SUCH = Sentence("There is nothing at this address, but at these: {addresses}")
STATUS_OTHER_NAME = Sentence(
    "This endpoint is not known by the name in the address: open it by an IP address, or list the name in "
    "CONNECTOR_HTTP_NAMES"
)
STATUS_NO_REQUEST = Sentence("This is no request of HTTP/1.1 that can be read here")
STATUS_NOT_OPENED = Sentence(
    "No HTTP endpoint (health, metrics, status page) at {host}:{port}: {reason}. The worker goes on without. "
    "Check that CONNECTOR_HTTP_HOST is an address of this machine, and set CONNECTOR_HTTP_PORT to a port of "
    "its own, to 0 for any that is free, or to off"
)
STATUS_OPENED = Sentence("Status page, health and metrics: {url}")
STATUS_NO_ANSWER = Sentence(
    "No answer at {url}: {reason}. Check that the worker runs, CONNECTOR_HTTP_HOST and CONNECTOR_HTTP_PORT"
)
STATUS_IS_OFF = Sentence("CONNECTOR_HTTP_PORT is off: the worker has no HTTP endpoint to ask")
STATUS_ANY_PORT = Sentence(
    "CONNECTOR_HTTP_PORT is 0: only the worker's log names the port that it took. Set it to that port for "
    "this command, or to a port of its own for both"
)

# Traces

TRACES_ON = Sentence("Traces are sent to {where}")
TRACES_WITH_CONTENT = Sentence(
    "Traces hold prompts and answers, without secrets: {variable} is set. Unset it where nobody may see them"
)
TRACES_NO_EXTRA = Sentence(
    "There are no traces, though {variable} is set: the packages for them are not installed. Add the extra "
    "otel: pip install 'camunda-openai-connector[otel]'. The worker goes on without"
)
TRACES_NO_EXPORTER = Sentence(
    "There are no traces: {variable} names {name}, for which no exporter is installed. Set it to {known}"
)
TRACES_NOT_OPENED = Sentence(
    "There are no traces: one of the variables {variables} cannot be used ({reason}). Correct it; the worker "
    "goes on without"
)
TRACES_NO_URL = Sentence(
    "There are no traces: {variable} is no URL. Write it as in http://collector:4318; the worker goes on "
    "without"
)
TRACES_NO_FILE = Sentence(
    "There are no traces: {variable} names no file that the worker can read. Correct it; the worker goes on "
    "without"
)
TRACES_VARIABLE = Sentence(
    "OpenTelemetry cannot use what is set in {variables}, and goes on without it. Correct it, or unset it"
)
TRACES_LOST = Sentence(
    "Traces cannot be sent ({reason}): those of this time are lost, jobs go on. Check the collector, and "
    "the variables that begin with OTEL_EXPORTER_OTLP_"
)
TRACES_FOUND = Sentence("Traces are sent again, after {seconds} s")
TRACES_UNFINISHED = Sentence("The last traces could not be sent within {seconds} s")

# What a job waits for whose answer is made elsewhere

STILL_WAITING = Sentence(
    "The answer was asked for at {since} and is not there yet ({kind} {id}, needed {needed})"
)
LOOK_FAILED = Sentence(". The last attempt to fetch it failed: {error}")
ANSWER_OVERDUE = Sentence(
    "The answer was asked for at {since} and is still not there ({kind} {id}, needed {needed}). Retry the "
    "incident to wait as long again: nothing is bought. To buy another answer instead, first set the local "
    'variable {state} at the task to "" in Operate'
)
BATCH_OVERDUE = Sentence(
    "The answer was asked for at {since} and is still not there ({kind} {id}, needed {needed}). Retry the "
    "incident to wait as long again: nothing is bought. To have it asked anew instead, cancel the batch at "
    "OpenAI first"
)
ANSWER_EXPIRED = Sentence(
    "The API does not know {kind} {id} any more, which was asked for at {since}: it has expired, or somebody "
    "has deleted it. Retrying the incident asks, and pays, again"
)
NO_BATCH = Sentence(
    "This address takes no batches of requests: choose another answer needed than within a day, or leave the "
    "base URL as it is"
)
NOT_SUBMITTED = Sentence("Nothing was sent: the batch could not be submitted ({error})")
LEASE_TOO_LATE = Sentence(
    "Nothing was sent: the job may be another worker's by now, and was left out of the batch"
)
BATCH_NOT_TAKEN = Sentence("The API did not take batch {id} ({error}): nothing was run, nothing is paid for")
BATCH_REFUSED = Sentence(
    "The API refused line {line} of batch {id}, which is this job's: {error}. Nothing was run. Correct the "
    "task's inputs, then retry the incident"
)
BATCH_LINE_FAILED = Sentence("Batch {id} has ended without an answer to this job: {error}")
BATCH_LINE_MISSING = Sentence("its line is in none of the files ({missing} of {total} lines are missing)")
BATCH_EXPIRED = Sentence(
    "The day was over before batch {id} came to this job's line: it was not run, and is not paid for"
)
BATCH_CANCELLED = Sentence(
    "Somebody has cancelled batch {id} before this job's line was run: nothing is paid for. Retry the "
    "incident to send it with another batch"
)
BATCH_FILE_GONE = Sentence(
    "Batch {id} has ended, but the file with its answers is not there any more: it has expired, or somebody "
    "has deleted it. Retrying the incident asks, and pays, again"
)
GIVEN_BACK_WAITING = Sentence(
    "The worker was stopped while the answer is made by the API ({kind} {id}); it has given the job back for "
    "another worker, retries unchanged. Nothing is bought again."
)
FETCHED_AGAIN = Sentence(
    ". The answer is kept by the API ({kind} {id}): retrying fetches it, and buys nothing"
)

# What the engine's side meets

JOB_UNREADABLE = Sentence(
    "The job was not begun: {problem}. Correct the data of this process instance, then resolve the incident."
)
GIVEN_BACK_BEFORE = Sentence(
    "The worker was stopped before it was begun; it has given the job back for another worker, retries "
    "unchanged."
)
GIVEN_BACK_DURING = Sentence(
    "The worker was stopped before it was done (a request under way may have been charged); "
    "it has given the job back for another worker, retries unchanged."
)
LEASE_TOO_SHORT = Sentence(
    "This task may take {needed} seconds, longer than the worker's lease of {lease} seconds, and the engine "
    "refused to prolong it. Set CONNECTOR_JOB_LEASE to at least {wanted} seconds, or give the task a "
    "shorter "
    "timeout, then resolve the incident."
)
RESULT_REFUSED = Sentence(
    "The engine refused the result of this task ({reason}). Map less, or other values, then resolve the "
    "incident"
)
BPMN_ERROR_REFUSED = Sentence(
    "The engine refused to throw BPMN error '{code}' ({reason}). Error: {message}. "
    "Map less, or other values, then resolve the incident"
)
UNEXPECTED = Sentence(
    "The connector failed unexpectedly ({place}). This is a bug: please report it together with the worker's "
    "log of this moment."
)
MAPPING_UNEXPECTED = Sentence(
    "Mapping the answer failed unexpectedly ({place}). This is a bug: please report it with the worker's log"
)

# Headers and mapping

HEADER_OVERRIDE_TYPE = Sentence("The variable {variable} must be a text in double quotes, not {shown}")
HEADER_DURATION = Sentence("{label} must be an ISO 8601 duration such as PT30S or PT5M, got '{shown}'")
HEADER_WAY_OUT = Sentence(
    "Nothing was sent. Correct the task in Modeler; for this instance, set the local variable {variables} at "
    "element {element} in Operate, as a text in double quotes, then retry the incident"
)
HEADER_NO_WAY_OUT = Sentence(
    "Nothing was sent. Correct the task in Modeler; for this instance, start the element again by modifying "
    "the instance in Operate (a job's headers never change)"
)
RESULT_SHADOWED = Sentence(
    "The result {names} would be lost: the task has a local variable of the same name, which keeps it. "
    "Choose another name in Result variable, Result expression or ignoreError"
)
RESULT_NO_CONTEXT = Sentence("{label} must give a context such as {{answer: ...}}, but it gave {shown}")
RESULT_UNSENDABLE = Sentence("The result cannot be sent: {problem}")
ERROR_NO_ACTION = Sentence(
    "{label} must give bpmnError(...), jobError(...), ignoreError() or null, but it gave {shown}"
)
ERROR_UNKNOWN_ACTION = Sentence(
    "{label} must give bpmnError(...), jobError(...), ignoreError() or null, "
    "but it gave a context whose errorType is {shown}"
)
ERROR_WHILE = Sentence("{problem} (It was evaluated because of this error: {message})")
ACTION_VARIABLES = Sentence("{label}: variables must be a context, but are {shown}")
ACTION_CODE = Sentence("{label}: the error code must be a string, but is {shown}")
ACTION_BACKOFF = Sentence("{label}: retryBackoff {problem}, got {shown}")
ACTION_RETRIES = Sentence("{label}: retries must be a number, but are {shown}")
ACTION_OF_ANSWER = Sentence(
    "{label} gives {action} as it lies in the answer, and an answer decides nothing. Map the parts that the "
    "process needs, under names of your own"
)
ACTION_MIXED = Sentence(
    "{label} gives {action} together with {others}: give the action alone, or choose another name than "
    "errorType"
)
ACTION_INSIDE = Sentence(
    "{label} gives {action} inside of a result, where it does nothing: give it alone, as in "
    "if ... then {action}(...) else {{answer: ...}}"
)
EXPRESSION_SYNTAX = Sentence("{label} has a syntax error: {problem}")
EXPRESSION_UNREADABLE = Sentence("{label} cannot be read: {problem}")
EXPRESSION_FAILED = Sentence("{label} failed: {problem}")
PATH_UNREADABLE = Sentence("{label} has a JSONPath that cannot be read: {problem}")

# Documents that the engine takes

DOCUMENT_TOO_LARGE = Sentence(
    "the variables are {size} MB of JSON; the engine is sent at most {limit} MB. Map only what the process "
    "needs"
)
DOCUMENT_STORED_TOO_LARGE = Sentence(
    "the variables have so many decimal numbers that they are {size} MB to the engine, "
    "which is sent at most {limit} MB. Map only what the process needs"
)
DOCUMENT_UNWRITABLE = Sentence("the variables cannot be written as JSON")
DOCUMENT_NAME = Sentence("a variable's name must be text, not {kind}")
DOCUMENT_INTEGER = Sentence("variable '{name}' has an integer beyond 64 bits")
DOCUMENT_NUMBER = Sentence("variable '{name}' has a number that JSON cannot carry ({value})")
DOCUMENT_KEY = Sentence("variable '{name}' has a key that is no text")
DOCUMENT_FORBIDDEN = Sentence(
    "variable '{name}' holds the key '{key}', which is forbidden: Camunda's connectors would execute it. "
    "Map other values"
)
DOCUMENT_VALUE = Sentence("variable '{name}' has a value that is not JSON ({kind})")
DOCUMENT_TOO_DEEP = Sentence("variable '{name}' is nested deeper than {limit} levels")

# Data of a job that cannot be decoded

DATA_TOO_DEEP = Sentence("the {what} are nested too deeply to be read")
DATA_NO_JSON = Sentence("the {what} are not JSON that can be read")
DATA_NO_OBJECT = Sentence("the {what} are not a JSON object")
DATA_NO_TEXTS = Sentence("the task headers are not all texts")

# What a model answered, where it is not what was asked for. What to do about each stands in ADVICE

ANSWER_EMPTY = Sentence("The model's answer is empty")
ANSWER_TRUNCATED = Sentence("The model's answer is cut off (finish reason {reason})")
ANSWER_TRUNCATED_UNSAID = Sentence(
    "The model's answer is empty: its reasoning used up all tokens (finish reason {reason})"
)
ANSWER_REFUSED = Sentence("The model refused to answer")
ANSWER_FILTERED = Sentence("A content filter held back the model's answer (finish reason {reason})")
ANSWER_NOT_JSON = Sentence("The model's answer is not JSON ({problem})")
ANSWER_NO_OBJECT = Sentence("The model's answer is JSON, but {kind} where a JSON object was asked for")
ANSWER_OFF_SCHEMA = Sentence("The model's answer does not follow the JSON schema")
ANSWER_BREAKS_RULE = Sentence("The model's answer does not follow the JSON schema: it breaks the rule {rule}")
ANSWER_BREAKS_RULE_AT = Sentence(
    "The model's answer does not follow the JSON schema: {place} breaks the rule {rule}"
)
ANSWER_ALSO_AGAIN = Sentence("{problem}, also when it was asked again")
ANSWER_NOT_ASKED_AGAIN = Sentence("{problem}, and it could not be asked again ({error})")
ANSWER_WAY_OUT = Sentence(
    '. To take the answer as it is, set the local variable {unexpected_answer} to "complete" at the task in '
    'Operate; to ask again, set {state} to ""; then retry the incident'
)

MORE_TOKENS = Sentence("Raise {max_tokens}, or ask for a shorter answer in {prompt}")
ASK_FOR_MORE = Sentence("Say in {prompt} what the answer must hold, or raise {max_tokens}")
ASK_OTHERWISE = Sentence("Ask otherwise in {prompt}, or choose another model")
CHECK_FILTER = Sentence("Ask otherwise in {prompt}, or have the content filter of the API account changed")
ASK_FOR_JSON = Sentence(
    "Say in {prompt} that the answer must be JSON and nothing else, or choose a model that keeps to "
    "{response_format}"
)
ASK_FOR_SCHEMA = Sentence(
    "Describe in {prompt} what the answer looks like, or choose a model that keeps to {response_format}"
)

# What a model is told when it is asked again

AGAIN_EMPTY = Sentence("Your answer was empty. Answer now.")
AGAIN_TRUNCATED = Sentence("Your answer was cut off. Answer again from the beginning, in fewer words.")
AGAIN_JSON = Sentence(
    "{problem}. Answer again: give the whole answer as the JSON that was asked for, and nothing else."
)

# Inputs

BUT_NULL = Sentence(", but its expression gave null (a text and a number joined, a variable that is missing)")
BUT_EMPTY = Sentence(", but is empty")
INPUT_REQUIRED_CHOICE = Sentence("{label} is required{but}: {choices}")
INPUT_CHOICE = Sentence("{label} must be {choices}, got {shown}")
INPUT_NUMBER = Sentence("must be a number between {low} and {high}")
INPUT_WHOLE_NUMBER = Sentence("must be a whole number of at least {low}")
INPUT_ONE_OF = Sentence("must be one of {choices}")
INPUT_TEXT = Sentence("must be a text, not {kind}")
INPUT_DURATION_ZERO = Sentence("must be longer than 0 seconds")
INPUT_CONTEXT_NO_JSON = Sentence("must be a FEEL context or a JSON object, but it is no JSON ({problem})")
INPUT_CONTEXT = Sentence("must be a FEEL context or a JSON object, not {kind}")
INPUT_CONTENT_CONTEXT = Sentence(
    "must be a text or a list of content parts, not a context; pick the field you mean, for example "
    "=order.text, or make it text with to json or string()"
)
INPUT_CONTENT = Sentence(
    'must be a text or a list of content parts such as [{{type: "text", text: "..."}}], not {kind}'
)
INPUT_REQUIRED = Sentence("{label} is required{but}")
INPUT_SCHEMA = Sentence("is no JSON schema that answers can be checked against ({problem})")
INPUT_NOT_TO_SET = Sentence("must not set {names}")
CUSTOM_REQUIRED = Sentence("{custom_model} is required, because {model} is Custom{but}")
CUSTOM_UNUSED = Sentence("{custom_model} is given, but {model} is not Custom: choose Custom or empty it")
SCHEMA_REQUIRED = Sentence("{json_schema} is required, because {response_format} is '{asked}'{but}")
SCHEMA_UNUSED = Sentence(
    "{json_schema} is given, but {response_format} is another: choose '{asked}', or empty it"
)
RESPONSES_EXTRA = Sentence("{extra_body} has {name}, which has no place in the Responses API: {instead}")
RESPONSES_INPUT = Sentence("{label} has no place in the Responses API: {instead}")
RESPONSES_CONTENT = Sentence("{label} has {what}, which has no place in the Responses API: {instead}")
RESPONSES_RESERVED = Sentence("{extra_body} must not set {name}: {instead}")
INSTEAD_LEAVE = Sentence("leave it out, or choose Chat Completions in {api}")
INSTEAD_LEAVE_OR_NOW = Sentence(
    "leave it out, or choose Now in {answer_needed} and Chat Completions in {api}"
)
INSTEAD_USE = Sentence("use {label}")
INSTEAD_SET = Sentence("set {name}")
RESPONSES_AZURE = Sentence(
    "{label} is for OpenAI and compatible servers, not for an Azure deployment: empty it. Azure's own "
    "Responses API has the base URL https://RESOURCE.openai.azure.com/openai/v1, which the template for "
    "compatible servers takes"
)
AZURE_NOW = Sentence(
    "{answer_needed} has other choices than Now for OpenAI alone, not for an Azure deployment: choose Now"
)
KEPT_STORE = Sentence(
    "{extra_body} has store: false, but {answer_needed} has the answer kept by OpenAI: remove it, or choose "
    "Now"
)
KEPT_METADATA = Sentence(
    "{extra_body} has {count} pairs of metadata; {most} are left for a task whose {answer_needed} has the "
    "answer kept"
)
WINDOW_TIER = Sentence(
    "{extra_body} has a service_tier, but {answer_needed} asks for a cheaper window, which has the standard "
    "tier only: remove it"
)
TOOLS_NO_JSON = Sentence("must be a list of tools or its JSON text, but it is no JSON ({problem})")
TOOLS_KIND = Sentence(
    'must be a list of tools such as [{{name: "find_order", description: "...", parameters: {{...}}}}], not '
    "{kind}"
)
TOOL_KIND = Sentence("tool {position} must be a context with a name, not {kind}")
TOOL_NAME = Sentence(
    "tool {position} must have a name of at most 64 letters, digits, _ and - (no others, no spaces), got "
    "{shown}"
)
TOOL_TWICE = Sentence("has two tools of the name {name}: give each a name of its own")
TOOL_KEYS = Sentence("tool {name} has {keys}: it takes name, description, parameters and strict")
TOOL_TEXT = Sentence("tool {name} must have a description that is a text, not {kind}")
TOOL_STRICT = Sentence("tool {name} must have true or false for strict")
TOOL_PARAMETERS = Sentence("tool {name} has parameters that are no JSON schema ({problem})")
RESULTS_NO_JSON = Sentence("must be a list of results or its JSON text, but it is no JSON ({problem})")
RESULTS_KIND = Sentence('must be a list of results such as [{{id: "call_1", content: "..."}}], not {kind}')
RESULT_KIND = Sentence("result {position} must be a context with id and content, not {kind}")
RESULT_ID = Sentence("result {position} must have the id of a tool call, not {kind}")
RESULT_CONTENT = Sentence("result {position} has no content")
RESULT_TWICE = Sentence("{tool_results} has two results of the tool call {id}: give one")
RESULT_UNKNOWN = Sentence(
    "{tool_results} has a result of the tool call {id}, which {chat_history} does not have: give "
    "output.chatHistory of the answer that called the tool"
)
RESULT_KNOWN = Sentence("{tool_results} has a result of the tool call {id}, which {chat_history} has already")
RESULT_MISSING = Sentence(
    "{tool_results} has no result of the tool call {id}: the API wants one for each call. Where a tool "
    "failed, give a text that says so"
)
AZURE_RESOURCE = Sentence("must be the name of the resource alone, such as my-resource")
AZURE_REQUIRED = Sentence("{label} is required for Azure OpenAI{but}")
AZURE_OR_URL = Sentence("{base_url} is given together with an Azure resource: empty one of them")
HISTORY_NO_JSON = Sentence("must be a list of messages or its JSON text, but it is no JSON ({problem})")
HISTORY_MESSAGE = Sentence("message {position} {problem}")
MESSAGE_KIND = Sentence("must be a context with role and content, not {kind}")
MESSAGE_ROLE = Sentence("must have the role {roles}, got {shown}")
MESSAGE_NO_CONTENT = Sentence("must have a content (it may be null only with tool_calls or refusal)")
MESSAGE_CONTENT = Sentence("must have a content that is a text or a list of content parts, not {kind}")
TEXTS_KIND = Sentence(
    "must be a text, a list of texts, or a list of content parts such as "
    '[{{type: "text", text: "..."}}], not {kind}'
)
TEXTS_ITEM = Sentence("must be a list of texts, but item {position} is {kind}")
TEXTS_EMPTY = Sentence("must be a text or a list of texts, not an empty list")
PART_TYPE = Sentence(
    "must have content parts of the type text or image_url, but that of item {position} is {shown}"
)
PART_TEXT = Sentence(
    'must have content parts such as {{type: "text", text: "..."}}, but item {position} has no text'
)
PART_IMAGE = Sentence(
    'must have content parts such as {{type: "image_url", image_url: {{url: "https://..."}}}}, '
    "but item {position} has no url"
)
KEY_REQUIRED = Sentence("{api_key} is required{but}: give it as {{{{secrets.NAME}}}}")
KEY_REQUIRED_OR_WORKER = Sentence(
    "{api_key} is required{but}: give it as {{{{secrets.NAME}}}}, or have the operator set OPENAI_API_KEY"
)
REQUEST_UNWRITABLE = Sentence("the request cannot be written as JSON ({problem}): simplify the inputs")
HEADER_VALUE = Sentence(
    "{label} must be made of plain letters, digits and signs, but has a line break or another character"
)
SECRET_MISSING = Sentence(
    "{label}: secret '{name}' is not available. Have the operator define it for the worker "
    "(see Secrets in the docs for operators), or correct its name"
)
SECRET_EMPTY = Sentence("{label}: secret '{name}' is empty. Have the operator give it a value")

# Camunda's REST tasks

HTTP_REQUIRED = Sentence("{name} is required{but}")
HTTP_URL = Sentence("url must be a text, not {kind}")
HTTP_METHOD = Sentence("method must be one of {methods}, got {shown}")
HTTP_HEADER_NAME = Sentence("headers: '{name}' is no name of a header")
HTTP_HEADER_NOT_GIVEN = Sentence("headers: {name} is set by the worker: remove it")
HTTP_CONTEXT = Sentence("{name} must be a context, not {kind}")
HTTP_ENTRY = Sentence("{name}: {key} must be a text, not {kind}")
HTTP_CREDENTIAL = Sentence("authentication.{name} is required{but}: give it as {{{{secrets.NAME}}}}")
HTTP_AUTHENTICATION = Sentence("authentication.type must be bearer, basic, apiKey or noAuth, got {shown}")
HTTP_BODY = Sentence("body cannot be written as JSON ({problem})")
HTTP_HOST = Sentence(
    "{problem}. This worker serves the job type {job_type} for OpenAI tasks only; other REST tasks need "
    "Camunda's own connectors"
)

# The store. None of these names a value: a location may hold a password

STORE_LOST = Sentence("The store does not work: {problem}")
STORE_GOES_ON = Sentence(
    ". The worker goes on without it, and tries it again by itself: an answer that comes meanwhile is paid "
    "for again if its worker is killed"
)
STORE_WAITS = Sentence(
    ". No jobs are taken until it works again, which is tried by itself: CONNECTOR_STORE_REQUIRED is true. "
    "To go on without it, start the worker with CONNECTOR_STORE_REQUIRED=false"
)
STORE_WORKS = Sentence("The store works: answers are kept until the engine has acknowledged them")
STORE_WORKS_AGAIN = Sentence("The store works again, after {seconds} s")
STORE_ROOM = Sentence("The store has room for answers again")
STORE_UNKEPT = Sentence("; {count} answers that came meanwhile are not in it")
STORE_CLOSED = Sentence("The store is not open")
STORE_SLOW = Sentence(
    "the store of CONNECTOR_STORE takes too long to answer. Check the load of its disk or database, and the "
    "network to it"
)
STORE_FAILED = Sentence("the store of CONNECTOR_STORE failed ({kind}). Check the disk or the database of it")
STORE_BUG = Sentence("the worker failed in using its store ({place}). This is a bug: please report it")
STORE_FULL = Sentence(
    "the store has reached CONNECTOR_STORE_MAX_SIZE and takes no more answers. Check why the engine "
    "acknowledges nothing, or raise the limit"
)
STORE_OPENS = Sentence("it is not open yet")
STORE_LOCKED = Sentence(
    "another program holds the file of CONNECTOR_STORE locked. End it, or name another file; workers may "
    "share one"
)
STORE_DISK_FULL = Sentence(
    "the disk or the database of CONNECTOR_STORE is full. Make room there, or name another place"
)
STORE_DISK_FAILED = Sentence(
    "the disk of CONNECTOR_STORE cannot be read or written. Check the disk, or name another place"
)
STORE_DAMAGED = Sentence(
    "the file of CONNECTOR_STORE is damaged. The worker moves it aside and begins a new one; check the disk"
)
STORE_MOVED_ASIDE = Sentence(
    "The file of CONNECTOR_STORE was damaged. It is now {name}, and a new one is begun: answers in the old "
    "one are paid for again. Check the disk, then delete the old file"
)
STORE_REPLACED = Sentence(
    "the file of CONNECTOR_STORE was removed or replaced while the worker ran. The worker opens it again; "
    "leave the file alone while workers run"
)
STORE_OTHER_FILE = Sentence(
    "the file of CONNECTOR_STORE is a database of another program, which is left as it is. Name another file"
)
STORE_NOT_WRITABLE = Sentence(
    "the file or folder of CONNECTOR_STORE cannot be written. Give the worker's user the right to, mount it "
    "writable, or name another place"
)
STORE_WRONG_KIND = Sentence(
    "CONNECTOR_STORE names a file where a folder must be, or a folder where a file must be. Name a folder, "
    "or a file as sqlite:///file"
)
STORE_NEWER = Sentence(
    "the store of CONNECTOR_STORE was made by a newer worker (version {found} of its tables, this worker "
    "knows {known}). Use the newer worker, or name another store"
)
STORE_OLDER = Sentence(
    "the store of CONNECTOR_STORE was made by an older worker (version {found} of its tables, this program "
    "reads {known}), and is left as it is. Use the program of the older worker's version, or start a worker "
    "of this one first, which brings the store to its version"
)
STORE_NOT_BEGUN = Sentence(
    "there are no tables at CONNECTOR_STORE yet: a worker makes them at its start. Is the setting the "
    "worker's own?"
)
STORE_NOT_READABLE = Sentence(
    "the file of CONNECTOR_STORE cannot be read here. Use the worker's own user, who may write its folder: "
    "SQLite keeps files beside it also to read"
)
STORE_NO_DRIVER = Sentence(
    "CONNECTOR_STORE names PostgreSQL, but its driver is not installed. Install "
    "camunda-openai-connector[postgres]"
)
STORE_NO_CIPHER = Sentence(
    "CONNECTOR_STORE_KEY is set, but encryption is not installed. Install "
    "camunda-openai-connector[encryption]"
)
STORE_NO_CONNECTION = Sentence(
    "there is no connection to the database of CONNECTOR_STORE. Check host, port and network, and that the "
    "database runs"
)
STORE_LOGIN = Sentence(
    "the database of CONNECTOR_STORE refuses the login. Check user and password in it, or PGPASSWORD"
)
STORE_TLS = Sentence(
    "there is no secure connection to the database of CONNECTOR_STORE. Check sslmode and sslrootcert in it, "
    "and the server's certificate"
)
STORE_CROWDED = Sentence(
    "the database of CONNECTOR_STORE has no connection free. Raise its limit, or that of the user, or end "
    "other connections; each worker holds one"
)
STORE_NO_CONNECT = Sentence(
    "the database user of CONNECTOR_STORE may not connect to this database. Grant it CONNECT, or "
    "correct the name"
)
STORE_NO_DATABASE = Sentence(
    "there is no such database as CONNECTOR_STORE names. Create it, or correct the name"
)
STORE_NO_RIGHTS = Sentence(
    "the database user of CONNECTOR_STORE may not do this. Give it the right to create and write tables in "
    "its schema; to tell of costs, to read them"
)
STORE_READ_ONLY = Sentence(
    "the database of CONNECTOR_STORE takes no writes. Name the primary server, not a copy of it "
    "(target_session_attrs=read-write finds it among several hosts)"
)
STORE_URL = Sentence(
    "the URL of CONNECTOR_STORE cannot be used. It must be as postgresql://user:password@host:5432/database; "
    "a port is a number, and parameters behind a ? are libpq's, with the values that it knows"
)
STORE_LOCATION = Sentence(
    "CONNECTOR_STORE must be a folder, sqlite:///file or postgresql://user:password@host:5432/database"
)
STORE_KEY_FORM = Sentence(
    "must be one or more keys of 32 bytes in Base64, comma between, as openssl rand -base64 32 makes them"
)
STORE_KEY_MISSING = Sentence(
    "A stored answer is encrypted with a key that CONNECTOR_STORE_KEY does not hold. Add the former key "
    "after the new one; until then such answers are paid for again"
)
STORE_ENTRY_UNREADABLE = Sentence(
    "A stored answer cannot be read: it was changed or damaged. It is paid for again"
)
STORE_PURGED = Sentence(
    "{count} stored answers were older than CONNECTOR_STORE_RETENTION and are removed. The engine has not "
    "acknowledged them: look for their jobs' incidents"
)

# Addresses

URL_ASCII = Sentence("{label} must be written in ASCII: the host as xn--..., the path with %")
URL_FORM = Sentence("{label} must be a URL such as https://api.openai.com/v1")
URL_USER = Sentence("{label} must not carry a user name or password; use OpenAI API key")
URL_QUERY = Sentence("{label} must not carry a query or a fragment")
URL_UNENCRYPTED = Sentence("{label} must begin with https:// for {host}: the key would go unencrypted")
HOST_NOT_ALLOWED = Sentence(
    "{label}: the host {host} is not allowed. "
    "Correct the address, or have the operator add the host to CONNECTOR_ALLOWED_HOSTS"
)
HOST_PATTERN = Sentence(
    "'{pattern}' is no host; give llm.example.com, *.example.com, host:port, or * for any"
)

# Proxies

PROXY_ADDRESS = Sentence(
    "{variable} must be an address such as http://user:password@proxy.example.com:3128; in the user name and "
    "the password, write # as %23, / as %2F, ? as %3F and % as %25"
)
PROXY_SCHEME = Sentence(
    "{variable} must be an http:// or https:// address: other kinds of proxy are not known"
)
NO_PROXY_ENTRY = Sentence(
    "NO_PROXY: {entry} is no host, address or network, and is ignored; give example.com, host:port, "
    "10.0.0.0/8, fe80::/10 or *"
)

# What the API answered: facts. What to do about each stands in ADVICE

API_STATUS = Sentence("The API answered {status} {phrase}{words}")
API_REDIRECT = Sentence("The API's answer is a redirect ({status}), which is not followed")
API_INTERIM = Sentence("The API's answer has the status {status}, which no answer has")
API_EMPTY = Sentence("The API's answer is empty (status {status})")
API_NOT_JSON = Sentence("The API's answer is not JSON{words}")
API_ERROR_IN_SUCCESS = Sentence("The API's answer is an error in spite of its status {status}{words}")
API_EVENT_STREAM = Sentence("The API's answer is an event stream")
API_LACKS = Sentence("The API's answer has no {missing}{words}")
API_FAILED = Sentence("The API could not make the answer{words}")
API_CANCELLED = Sentence("The making of the answer was cancelled; a part of it may have been paid for")
API_NOT_FINAL = Sentence("The API's answer is still being made (status {state})")
LACKS_RESULTS = Sentence("result for each of the {asked} texts (it has {got})")
LACKS_VERDICT = Sentence(
    "verdict in result {position}: neither flagged nor the categories say yes or no in a way that can be read"
)
API_PACKED_TOO_OFTEN = Sentence(
    "The API's answer is packed more than {most} times; it may have been paid for"
)
API_CANNOT_UNPACK = Sentence(
    "The API's answer cannot be unpacked (bad gzip or deflate); it may have been paid for"
)
API_ENCODING = Sentence(
    "The API's answer is packed as {encoding}, which was not asked for and is not read; it may have been "
    "paid for"
)
API_CHARSET = Sentence("The API's answer holds bytes that are not {charset}; it may have been paid for")
API_UNKNOWN_CHARSET = Sentence(
    "The API's answer is written in {charset}, which is not read; it may have been paid for"
)
API_MALFORMED = Sentence("The API's answer is no proper HTTP ({problem}); it may have been paid for")
API_EVENT_STREAM = Sentence("The API's answer is an event stream")
API_TOO_LARGE = Sentence("The API's answer is larger than {limit} MB; it may have been paid for")
API_TIMEOUT = Sentence(
    "The API did not answer within {seconds} s; the answer may have been made and paid for"
)
API_UNFINISHED = Sentence(
    "The API's answer began but did not end within {seconds} s; it may have been made and paid for"
)
API_NO_CONNECTION = Sentence("No connection to the API ({reason}); nothing was paid for")
API_TLS = Sentence("No secure connection to the API ({reason}); nothing was paid for")
API_BROKEN = Sentence(
    "The connection to the API broke during the call ({reason}); the answer may have been made and paid for"
)

CHECK_QUOTA = Sentence("The quota is used up: check plan and billing of the API account")
CHECK_BILLING_LIMIT = Sentence("The billing limit is reached: check billing of the API account")
CHECK_BILLING = Sentence("Billing is not active: check billing of the API account")
CHECK_SPEND_LIMIT = Sentence(
    "A spending limit is reached: have it raised in the settings of the organization or the project"
)
CHECK_MODEL = Sentence("Check {model}: it is unknown, shut down, or not open to this key")
SHORTEN_OR_OTHER_MODEL = Sentence("Shorten {content}, or choose a model that takes more")
CHANGE_CONTENT = Sentence("The API refuses what is said: change {content}")
WAIT_FOR_CONVERSATION = Sentence("Another request uses the conversation")
WAIT_FOR_RATE = Sentence("The number of requests grew too fast")
WAIT_FOR_MODEL = Sentence("The server is loading the model")
SHORTEN_BELOW_LIMIT = Sentence(
    "This request alone is larger than the limit of tokens per minute: shorten {content}, or have the limit "
    "raised"
)
CHECK_KEY = Sentence("Check {credentials}")
CHECK_CREDIT = Sentence("The account has no credit left: check billing of the API account")
CHECK_PERMISSIONS = Sentence("The key may not do this: check its permissions, the project and the region")
CHECK_PLACE = Sentence("Check {place}")
CHECK_ADDRESS = Sentence("Check {address}: nothing takes such requests there")
CHECK_PROXY_PASSWORD = Sentence(
    "The proxy wants a user name and password: have the operator put them into its address "
    "(HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)"
)
CORRECT_PROXY_PASSWORD = Sentence(
    "The proxy does not accept the user name and password in its address: have the operator correct them "
    "(HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)"
)
GAVE_UP_WAITING = Sentence("The API gave up waiting")
CONFLICT = Sentence("Another request was in the way")
SHORTEN = Sentence("The request is too large: shorten {content}")
WAIT_FOR_LIMIT = Sentence("The rate limit is reached")
CORRECT_INPUTS = Sentence("Correct the task's inputs")
NOT_NOW = Sentence("The API cannot do it now")
TROUBLE = Sentence("The API is in trouble")
OVERLOADED = Sentence("The API is overloaded or not ready")
GATEWAY_GAVE_UP = Sentence(
    "The server in between gave up waiting; the answer may have been made and paid for. If this goes on, ask "
    "for less"
)
CHECK_URL = Sentence("Check {address}")
CHECK_URL_AND_SERVICE = Sentence("Check {address}: what answers there does not answer as OpenAI's API does")
CHECK_URL_AND_BETWEEN = Sentence("Check {address}, and the proxy or server in between")
CHECK_BETWEEN = Sentence("Check the proxy or server in between")
CHECK_IMAGES = Sentence("Check the images in {content}: their address, type and size")
CHECK_RESIDENCY = Sentence(
    "Check {address} and the project: the data must stay in a region that this address does not serve"
)
ASK_ANEW = Sentence("Retry the incident to ask, and pay, anew")
USE_CHAT_COMPLETIONS = Sentence("If this goes on, choose Chat Completions in {api}")
READ_THE_ERROR = Sentence("Check what the error says, and {address}")
GAVE_UP_WITH_BLANKS = Sentence(
    "The server kept the connection open, then gave up; the answer may have been made and paid for"
)
DO_NOT_STREAM = Sentence("Have the server answer in one piece{by_input}")
ASK_FOR_LESS = Sentence("Ask for less ({less})")
RAISE_TIMEOUT = Sentence("If this goes on, raise {timeout} or ask for less")
CHECK_URL_AND_NETWORK = Sentence("Check {base_url}, the network and the proxy")
CHECK_AUTHORITY = Sentence("Check {base_url}, and name the certificate authority in SSL_CERT_FILE")
CHECK_CERTIFICATE = Sentence("Check {base_url}, the server's certificate, and what stands in between")
CHECK_PROXY_RULES = Sentence("Have the operator allow the host in the proxy's rules, or name it in NO_PROXY")
CHECK_NETWORK = Sentence("If this goes on, check the network and the proxy")

# Why the cost of an answer is not known

HOST_UNPRICED = Sentence(
    "No prices are known for {host}: the operator can name them in the file that CONNECTOR_PRICES names"
)
MODEL_UNPRICED = Sentence(
    "No price is known for the model {model} at {host}: the operator can name it in the file that "
    "CONNECTOR_PRICES names"
)
TIER_UNPRICED = Sentence(
    "No price is known for the model {model} at the tier {tier}: the operator can name it in the file that "
    "CONNECTOR_PRICES names"
)
LENGTH_UNPRICED = Sentence(
    "No price of the model {model} is known for more than {number} input tokens: the operator can name it in "
    "the file that CONNECTOR_PRICES names"
)
TOKENS_UNPRICED = Sentence(
    "No price is known for the {tokens} tokens of the model {model}: the operator can name it in the file "
    "that CONNECTOR_PRICES names"
)
TOKENS_UNKNOWN = Sentence("The answer does not tell how many {tokens} tokens were used")
CURRENCIES_DIFFER = Sentence("The prices of its calls are in different currencies")
COST_NOT_KEPT = Sentence("The answer was bought by an earlier version of the worker, which noted no cost")
TOKENS_CONTRADICTORY = Sentence("The numbers of tokens in the answer contradict each other")

# What `costs` says

COSTS_NO_STORE = Sentence(
    "openai-connector: CONNECTOR_STORE is not set: what calls cost is kept in the store alone. Set it as for "
    "the worker; without a store, the metrics tell what a worker has spent since its start"
)
COSTS_NO_FILE = Sentence(
    "openai-connector: There is no store at CONNECTOR_STORE yet: a worker makes it at its start. Is the "
    "setting the worker's own?"
)
COSTS_NOT_READ = Sentence("openai-connector: The store cannot be read: {problem}")
COSTS_NOTHING = Sentence("Nothing was spent yet, as far as the store knows: no call has been answered")
COSTS_NOTHING_SINCE = Sentence("Nothing was spent since that day, as far as the store knows")

ADVICE: Final[Mapping[str, Sentence]] = {
    "insufficient_quota": CHECK_QUOTA,
    "billing_hard_limit_reached": CHECK_BILLING_LIMIT,
    "billing_not_active": CHECK_BILLING,
    "credit_balance_exhausted": CHECK_CREDIT,
    "project_spend_limit_exceeded": CHECK_SPEND_LIMIT,
    "organization_spend_limit_exceeded": CHECK_SPEND_LIMIT,
    "organization_usage_limit_exceeded": CHECK_SPEND_LIMIT,
    "model_not_found": CHECK_MODEL,
    "context_length_exceeded": SHORTEN_OR_OTHER_MODEL,
    "content_filter": CHANGE_CONTENT,
    "conversation_locked": WAIT_FOR_CONVERSATION,
    "slow_down": WAIT_FOR_RATE,
    "model_loading": WAIT_FOR_MODEL,
    "request_too_large": SHORTEN_BELOW_LIMIT,
    "invalid_image": CHECK_IMAGES,
    "data_residency_mismatch": CHECK_RESIDENCY,
    "401": CHECK_KEY,
    "402": CHECK_CREDIT,
    "403": CHECK_PERMISSIONS,
    "404": CHECK_PLACE,
    "405": CHECK_ADDRESS,
    "407": CHECK_PROXY_PASSWORD,
    "proxy_password": CORRECT_PROXY_PASSWORD,
    "408": GAVE_UP_WAITING,
    "409": CONFLICT,
    "413": SHORTEN,
    "423": CONFLICT,
    "424": NOT_NOW,
    "425": NOT_NOW,
    "429": WAIT_FOR_LIMIT,
    "449": NOT_NOW,
    "460": GATEWAY_GAVE_UP,
    "498": NOT_NOW,
    "499": GATEWAY_GAVE_UP,
    "4xx": CORRECT_INPUTS,
    "503": OVERLOADED,
    "504": GATEWAY_GAVE_UP,
    "524": GATEWAY_GAVE_UP,
    "5xx": TROUBLE,
    "redirect": CHECK_URL,
    "interim": CHECK_URL_AND_BETWEEN,
    "empty": CHECK_URL_AND_BETWEEN,
    "blank": GAVE_UP_WITH_BLANKS,
    "not_json": CHECK_URL_AND_BETWEEN,
    "event_stream": DO_NOT_STREAM,
    "error_in_success": READ_THE_ERROR,
    "failed": READ_THE_ERROR,
    "cancelled": ASK_ANEW,
    "not_final": USE_CHAT_COMPLETIONS,
    "lacks": CHECK_URL_AND_SERVICE,
    "packed_too_often": CHECK_BETWEEN,
    "cannot_unpack": CHECK_BETWEEN,
    "encoding": CHECK_BETWEEN,
    "charset": CHECK_BETWEEN,
    "malformed": CHECK_URL_AND_BETWEEN,
    "too_large": ASK_FOR_LESS,
    "timeout": RAISE_TIMEOUT,
    "no_connection": CHECK_URL_AND_NETWORK,
    "no_tunnel": CHECK_PROXY_RULES,
    "tls": CHECK_CERTIFICATE,
    "tls_issuer": CHECK_AUTHORITY,
    "broken": CHECK_NETWORK,
    "ANSWER_EMPTY": ASK_FOR_MORE,
    "ANSWER_TRUNCATED": MORE_TOKENS,
    "ANSWER_REFUSED": ASK_OTHERWISE,
    "ANSWER_FILTERED": CHECK_FILTER,
    "ANSWER_NOT_JSON": ASK_FOR_JSON,
    "ANSWER_OFF_SCHEMA": ASK_FOR_SCHEMA,
}
"""What to do about a failed call, by its reason (`ApiError.reason`), or about an answer, by its condition."""

SENTENCES: Final[Mapping[str, Sentence]] = {
    name: value for name, value in globals().items() if isinstance(value, Sentence)
}
for _name, _sentence in SENTENCES.items():
    _sentence.id = _name
