"""Every state in which a task of Camunda's templates may stand in a file is moved over; the rest keeps its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from openai_connector.tools.diagrams.lint import check
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.migrate import migrate
from openai_connector.tools.diagrams.tasks import tasks_of
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    OPENAI,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TODAY = date(2026, 11, 22)
OTHER = """\
    <!-- <zeebe:header key="resultVariable" /> & more -->
    <bpmn:userTask id="other"   name="Ünïcode 😀"><bpmn:extensionElements><zeebe:ioMapping>
      <zeebe:input target="internal_prompt" /></zeebe:ioMapping><zeebe:taskHeaders><zeebe:header key="a" />
    </zeebe:taskHeaders></bpmn:extensionElements></bpmn:userTask >
"""
HEADERS = {
    "resultVariable": "answer",
    "resultExpression": "={text: response.body}",
    "errorExpression": '=if error.code = "400" then bpmnError("A", error.message) else null',
    "retryBackoff": "PT1M",
}
ABSENT = ["internal_organization", "chatCompletion_user", "queryParameters", "readTimeoutInSeconds"]


def made(kind: str, version: int, template: str | None, headers: dict[str, str]) -> str:
    inputs = {
        "chat": chat_inputs(version),
        "chat with all": chat_inputs(
            version,
            internal_model="custom",
            internal_custom_model="ft:gpt-4o:acme::1",
            internal_systemMessage="=rules",
            internal_chatHistory="=history",
            internal_organization="{{secrets.ORG}}",
        ),
        "moderation": moderation_inputs(),
        "azure": azure_inputs(chatCompletion_resourceName="{{secrets.RES}}"),
    }[kind]
    retries = "3" if version >= 8 else None
    return task(inputs, headers, template=template, version=version or None, retries=retries)


def attributes_swapped(text: str) -> str:
    return re.sub(r'(<zeebe:input) (source="[^"]*") (target="[^"]*")', r"\1 \3 \2", text)


def not_self_closing(text: str) -> str:
    return re.sub(r"<zeebe:(input|header)([^>]*?) />", r"<zeebe:\1\2></zeebe:\1>", text)


def headers_first(text: str) -> str:
    pattern = r"( *<zeebe:ioMapping>.*?</zeebe:ioMapping>\n)( *<zeebe:taskHeaders>.*?</zeebe:taskHeaders>\n)"
    return re.sub(pattern, r"\2\1", text, flags=re.DOTALL)


def commented(text: str) -> str:
    return text.replace("<zeebe:ioMapping>", "<zeebe:ioMapping><!-- > by hand < -->")


def with_icon(text: str) -> str:
    icon = ' zeebe:modelerTemplateIcon="data:image/svg+xml;utf8,&lt;svg&gt;"'
    return text.replace(' id="Ask"', f' id="Ask"{icon}', 1)


def tabbed(text: str) -> str:
    return text.replace("          <", "\t\t\t<")


def with_loop(text: str) -> str:
    loop = '<bpmn:multiInstanceLoopCharacteristics isSequential="true" />'
    return text.replace("</bpmn:serviceTask>", f"{loop}</bpmn:serviceTask>")


def other_kind(text: str) -> str:
    return text.replace("bpmn:serviceTask", "bpmn:sendTask")


FORMS: list[Callable[[str], str]] = [
    attributes_swapped,
    not_self_closing,
    headers_first,
    commented,
    with_icon,
    tabbed,
    with_loop,
    other_kind,
]


def outside(text: str) -> list[str]:
    return re.split(r"<bpmn:(?:service|send)Task.*?</bpmn:(?:service|send)Task>", text, flags=re.DOTALL)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["chat", "chat with all", "moderation", "azure"]),
    version=st.integers(0, 8),
    link=st.sampled_from(["own", None, "5d7a1f6e-4a3c-4f5e-9f0e-6b1d2c3e4f50"]),
    engine=st.sampled_from(["8.3.0", "8.5.0", "8.8.0", None]),
    headers=st.lists(st.sampled_from(sorted(HEADERS)), unique=True),
    valueless=st.lists(st.sampled_from(["resultVariable2", "jobTimeout", ""]), unique=True),
    absent=st.lists(st.sampled_from(ABSENT), unique=True),
    forms=st.lists(st.sampled_from(FORMS), unique=True),
    line_break=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_state_is_moved_over(
    kind: str,
    version: int,
    link: str | None,
    engine: str | None,
    headers: list[str],
    valueless: list[str],
    absent: list[str],
    forms: list[Callable[[str], str]],
    line_break: str,
    encoding: str,
) -> None:
    """Whatever a tool or a hand made of it, the task means the same as in its plainest form, and all else stays."""
    original = AZURE if kind == "azure" else OPENAI
    template = original if link == "own" else link
    plain = made(kind, version, template, {key: HEADERS[key] for key in headers})
    odd = plain
    for target in absent:
        if f'target="{target}"' not in odd:
            odd = odd.replace(
                "<zeebe:ioMapping>", f'<zeebe:ioMapping>\n          <zeebe:input target="{target}" />'
            )
    for key in valueless:
        odd = odd.replace(
            "</zeebe:taskHeaders>", f'  <zeebe:header key="{key}" />\n        </zeebe:taskHeaders>'
        )
    for form in forms:
        odd = form(odd)
    text = diagram(odd, OTHER, version=engine).replace("\n", line_break)
    migration = migrate(text.encode(encoding), TODAY)
    after = migration.content.decode(encoding)
    assert [report.reason for report in migration.tasks] == [None]
    assert outside(after) == outside(text)
    assert meaning(after.encode()) == meaning(migrate(diagram(plain).encode(), TODAY).content)
    assert migrate(migration.content, TODAY).tasks == []
    assert "not-migratable" not in [finding.rule for finding in check(text.encode(encoding), TODAY)]


def meaning(content: bytes) -> tuple[str, dict[str, str | None], dict[str, str]]:
    """Give job type, inputs and headers of the task, as the engine reads them."""
    task = next(task for task in tasks_of(Markup.read(content)) if task.element_id == "Ask")
    inputs = {mapped.target: mapped.source for mapped in task.inputs}
    return task.job_type, inputs, task.header_values()
