"""Diagrams as Camunda's own OpenAI templates make them, written from the facts about those templates."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

OPENAI = "io.camunda.connectors.OpenAI.v1"
AZURE = "io.camunda.connectors.AzureOpenAI.outbound.v1"
REST = "io.camunda:http-json:1"

HEADERS = (
    "=if is defined(internal_organization) and internal_organization != null then "
    '{"Content-Type":"application/json", '
    '"OpenAI-Organization":internal_organization} else {"Content-Type":"application/json"}'
)
MESSAGES = (
    '=append(concatenate(if is defined(internal_systemMessage) then [{"role": "system", "content": '
    "internal_systemMessage}] else [], if is defined(internal_chatHistory) then internal_chatHistory else "
    "[]), "
    '{"role": "user", "content": internal_prompt})'
)
BODY = (
    '={"model": if is defined(internal_custom_model) then internal_custom_model else internal_model, '
    '"messages": internal_messages, "n": number(internal_choices), "temperature": '
    "number(internal_temperature)}"
)
BODY_OF_VERSIONS_1_AND_2 = (
    '={"model": internal_model, "messages": internal_messages, "n": number(internal_choices)}'
)
AZURE_BODY = (
    '=context(get entries({"messages": if chatCompletion_messages = null then [{"role": '
    "chatCompletion_messageRole, "
    '"content": chatCompletion_messageContent}] else append(chatCompletion_messages, {"role": '
    'chatCompletion_messageRole, "content": chatCompletion_messageContent}), '
    '"contentPart": chatCompletion_contentPart, "enhancements": chatCompletion_enhancements, '
    '"dataSources": chatCompletion_dataSources, "temperature": '
    "if chatCompletion_temperature = null then null else number(chatCompletion_temperature), "
    '"n": if chatCompletion_n = null then null else decimal(number(chatCompletion_n), 0), '
    '"stream": chatCompletion_stream = "True", "stop": chatCompletion_stop, '
    '"max_tokens": if chatCompletion_maxTokens = null then null else '
    "decimal(number(chatCompletion_maxTokens), 0), "
    '"presence_penalty": '
    "if chatCompletion_presencePenalty = null then null else number(chatCompletion_presencePenalty), "
    '"frequency_penalty": '
    "if chatCompletion_frequencyPenalty = null then null else number(chatCompletion_frequencyPenalty), "
    '"logit_bias": chatCompletion_logitBias, "user": chatCompletion_user, "tools": chatCompletion_tools})'
    "[item.value != null])"
)
AZURE_URL = (
    '="https://" + chatCompletion_resourceName + ".openai.azure.com/openai/deployments/" + '
    "chatCompletion_deploymentId "
    '+ "/chat/completions?api-version=" + chatCompletion_apiVersion'
)

RESULT = {"resultExpression": "={openAiResponse: response.body}"}


def chat_inputs(version: int = 8, /, **changed: str | None) -> dict[str, str]:
    """Give the inputs of a chat task in the template's order; `a__b` means `a.b`, None leaves one out."""
    inputs: dict[str, str | None] = {
        "authentication.type": "bearer",
        "authentication.token": "{{secrets.OPENAI_API_KEY}}",
        "internal_organization": None,
        "headers": HEADERS,
        "operation": "chat",
        "method": "post",
        "url": "https://api.openai.com/v1/chat/completions",
        "internal_model": "gpt-3.5-turbo" if version < 5 else "gpt-4o",
        "internal_custom_model": None,
        "internal_temperature": "1" if version >= 3 else None,
        "internal_systemMessage": None,
        "internal_chatHistory": None,
        "internal_prompt": "=question",
        "internal_choices": "1",
        "internal_messages": MESSAGES,
        "body": BODY if version >= 3 else BODY_OF_VERSIONS_1_AND_2,
        "connectionTimeoutInSeconds": "30",
    }
    return _changed(inputs, changed)


def moderation_inputs(**changed: str | None) -> dict[str, str]:
    """Give the inputs of a moderation task."""
    inputs: dict[str, str | None] = {
        "authentication.type": "bearer",
        "authentication.token": "{{secrets.OPENAI_API_KEY}}",
        "headers": HEADERS,
        "operation": "moderation",
        "method": "post",
        "url": "https://api.openai.com/v1/moderations",
        "internal_textToAnalyze": "=message",
        "body": '={"input": internal_textToAnalyze}',
        "connectionTimeoutInSeconds": "30",
    }
    return _changed(inputs, changed)


def azure_inputs(**changed: str | None) -> dict[str, str]:
    """Give the inputs of an Azure chat completion."""
    inputs: dict[str, str | None] = {
        "authentication.type": "apiKey",
        "authentication.apiKeyLocation": "headers",
        "authentication.name": "api-key",
        "authentication.value": "{{secrets.AZURE_KEY}}",
        "operation": "chatCompletion",
        "chatCompletion_resourceName": "contoso",
        "chatCompletion_deploymentId": "support",
        "chatCompletion_apiVersion": "2024-02-01",
        "chatCompletion_messageRole": "user",
        "chatCompletion_messageContent": "=question",
        "chatCompletion_messages": None,
        "chatCompletion_temperature": "1",
        "chatCompletion_n": "1",
        "chatCompletion_stream": "False",
        "chatCompletion_stop": None,
        "chatCompletion_maxTokens": None,
        "chatCompletion_presencePenalty": None,
        "chatCompletion_frequencyPenalty": None,
        "chatCompletion_logitBias": None,
        "chatCompletion_user": None,
        "method": "post",
        "url": AZURE_URL,
        "body": AZURE_BODY,
    }
    return _changed(inputs, changed)


def task(
    inputs: Mapping[str, str],
    headers: Mapping[str, str] = RESULT,
    *,
    element_id: str = "Ask",
    template: str | None = OPENAI,
    version: int | None = 8,
    retries: str | None = "3",
    inside: str = "",
    outputs: str = "",
    job_type: str = REST,
) -> str:
    """Write a service task the way Modeler does."""
    link = f" zeebe:modelerTemplate={quoteattr(template)}" if template else ""
    if template and version:
        link += f' zeebe:modelerTemplateVersion="{version}"'
    if version and version >= 6:
        headers = {**headers, "elementTemplateVersion": str(version), "elementTemplateId": template or OPENAI}
    mapped = "".join(
        f"          <zeebe:input source={quoteattr(source)} target={quoteattr(target)} />\n"
        for target, source in inputs.items()
    )
    listed = "".join(
        f"          <zeebe:header key={quoteattr(key)} value={quoteattr(value)} />\n"
        for key, value in headers.items()
    )
    count = f' retries="{retries}"' if retries is not None else ""
    return f"""\
    <bpmn:serviceTask id="{element_id}" name="Ask the model"{link}>
      <bpmn:documentation>Camunda's own &amp; "quoted"</bpmn:documentation>
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="{job_type}"{count} />
        <zeebe:ioMapping>
{mapped}{outputs}        </zeebe:ioMapping>
        <zeebe:taskHeaders>
{listed}        </zeebe:taskHeaders>
      </bpmn:extensionElements>
      <bpmn:incoming>to_ask</bpmn:incoming>
      <bpmn:outgoing>to_end</bpmn:outgoing>{inside}
    </bpmn:serviceTask>
"""


def diagram(*tasks: str, process_id: str = "asking", version: str | None = "8.5.0") -> str:
    """Write a process around a task with the id Ask; more tasks stand beside it.

    Args:
        tasks: as `task` writes them.
        process_id: of the process.
        version: of the engine that the diagram names; None for a diagram that names none.
    """
    platform = ' modeler:executionPlatform="Camunda Cloud"'
    platform += f' modeler:executionPlatformVersion="{version}"' if version else ""
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" \
xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" xmlns:modeler="http://camunda.org/schema/modeler/1.0" \
id="Definitions" targetNamespace="http://bpmn.io/schema/bpmn"{platform}>
  <bpmn:process id="{process_id}" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>to_ask</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="to_ask" sourceRef="start" targetRef="Ask" />
{"".join(tasks)}    <bpmn:sequenceFlow id="to_end" sourceRef="Ask" targetRef="end" />
    <bpmn:endEvent id="end"><bpmn:incoming>to_end</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>
"""


def _changed(inputs: Mapping[str, str | None], changed: Mapping[str, str | None]) -> dict[str, str]:
    named = {name.replace("__", "."): value for name, value in changed.items()}
    return {name: value for name, value in {**inputs, **named}.items() if value is not None}
