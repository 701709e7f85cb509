"""Moving tasks of Camunda's own templates over."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_feel import parse, to_json
from openai_connector.cli import main
from openai_connector.redaction import Redaction
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.openai_task import ApiDefaults, OpenAiTasks
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.migrate import TaskReport, migrate
from openai_connector.tools.diagrams.placeholders import AskedSecrets
from openai_connector.tools.diagrams.tasks import Task, tasks_of
from openai_connector.tools.templates import VARIANTS, render
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    AZURE_BODY,
    BODY,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TODAY = date(2026, 11, 22)
PROCESS: dict[str, Any] = {
    "question": "Why?",
    "message": "Hello",
    "rules": 'Be "kind" & brief',
    "history": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    "warmth": "0.3",
    "count": "3",  # their number() wants text
}


def moved(text: str, **how: Any) -> tuple[Task, TaskReport]:
    """Migrate a diagram with one task, and read what came out."""
    migration = migrate(text.encode(), TODAY, **how)
    (report,) = migration.tasks
    (result,) = tasks_of(Markup.read(migration.content))
    return result, report


def inputs_of(task: Task) -> dict[str, str]:
    return {mapped.target: mapped.source or "" for mapped in task.inputs}


def headers_of(task: Task) -> dict[str, str]:
    return {header.key: header.value for header in task.headers}


def evaluated(inputs: Mapping[str, str]) -> dict[str, Any]:
    """Evaluate input mappings in their order, as the engine does."""
    variables: dict[str, Any] = {}
    for target, source in inputs.items():
        value = source
        if source.startswith("="):
            value = to_json(parse(source[1:]).evaluate({**PROCESS, **variables}).value)
        scope = variables
        *path, name = target.split(".")
        for part in path:
            scope = scope.setdefault(part, {})
        scope[name] = value
    return variables


def request_of(task: Task) -> tuple[str, dict[str, str], Any]:
    """Give URL, headers and body that this connector's task asks for."""
    types = OpenAiTasks(ApiDefaults(), AllowedHosts(["*"]), AskedSecrets())
    read = types.read(evaluated(inputs_of(task)), Redaction())
    return read.request.url, dict(read.request.headers), read.request_body


def without_null(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


@pytest.mark.parametrize("version", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"internal_temperature": "0.7", "internal_choices": "2"},
        {
            "internal_systemMessage": "=rules",
            "internal_chatHistory": "=history",
            "internal_choices": "=count",
        },
        {"internal_prompt": "A literal\nof two lines & more", "internal_model": "gpt-4"},
    ],
)
def test_chat_asks_the_same(version: int | None, changed: dict[str, str]) -> None:
    """From every version of the template, the request's JSON is the same, less the temperature 1."""
    inputs = chat_inputs(version or 1, **changed)
    if (version or 1) < 3:
        inputs.pop("internal_temperature", None)
    result, report = moved(diagram(task(inputs, version=version)))
    before = evaluated(inputs)
    expected = without_null(before["body"])
    if expected.get("temperature") == 1:
        del expected["temperature"]
    url, _, body = request_of(result)
    assert report.migrated
    assert (url, body) == (before["url"], expected)


@pytest.mark.parametrize("version", [1, 4, 8])
def test_moderation_asks_the_same(version: int) -> None:
    """A moderation asks the same URL with the same JSON."""
    inputs = moderation_inputs()
    result, _ = moved(diagram(task(inputs, version=version)))
    url, _, body = request_of(result)
    assert (url, body) == (evaluated(inputs)["url"], {"input": "Hello"})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"chatCompletion_temperature": "=warmth", "chatCompletion_n": "2", "chatCompletion_maxTokens": "100"},
        {"chatCompletion_messages": "=history", "chatCompletion_presencePenalty": "0.5"},
        {"chatCompletion_stop": '=["END"] // a comment', "chatCompletion_user": 'a "quoted"\n name'},
        {"chatCompletion_user": "=nobody", "chatCompletion_logitBias": '={"50256": -100}'},
        {"completion_prompt": "left behind"},
    ],
)
def test_azure_chat_asks_the_same(changed: dict[str, str]) -> None:
    """Azure's chat completion keeps its URL, its key's header and its JSON, also what has no input of its own."""
    inputs = azure_inputs(**changed)
    result, report = moved(diagram(task(inputs, template=AZURE, version=4)))
    before = evaluated(inputs)
    expected = without_null(before["body"])
    assert expected.pop("stream") is False
    if expected.get("temperature") == 1:
        del expected["temperature"]
    url, headers, body = request_of(result)
    assert (url, body) == (before["url"], expected)
    assert "api-key" in headers
    assert result.template_id == "openai-connector.azure.v1"
    assert report.migrated


@given(
    prompt=st.text(st.characters(exclude_categories=("Cs", "Cc"))).filter(
        lambda text: text.strip() and not text.startswith("=")
    ),
    model=st.from_regex(r"[a-zA-Z][a-zA-Z0-9.:-]{0,20}", fullmatch=True),
    temperature=st.sampled_from(["0", "0.35", "1", "1.0", "2"]),
)
def test_any_literal_is_kept(prompt: str, model: str, temperature: str) -> None:
    """Whatever is typed into the fields is asked for afterwards, too."""
    changed = {
        "internal_custom_model": model,
        "internal_model": "custom",
        "internal_temperature": temperature,
    }
    result, report = moved(diagram(task(chat_inputs(internal_prompt=prompt, **changed))))
    if not report.migrated:
        assert "asks for the secret" in (report.reason or "")
        return
    body = request_of(result)[2]
    assert (body["model"], body["messages"][-1]["content"]) == (model, prompt)
    assert body.get("temperature", 1) == float(temperature)


def test_everything_of_the_task_is_carried() -> None:
    """Key, organization, timeout, headers, retries, hand-made mappings, documentation and multi-instance stay."""
    inputs = chat_inputs(
        internal_organization="{{secrets.ORG}}", own="=order.id", readTimeoutInSeconds="=limit"
    )
    headers = {
        "resultVariable": "answer",
        "resultExpression": "={text: response.body.choices[1].message.content}",
        "errorExpression": '=if error.code = "400" then bpmnError("BAD", error.message) else null',
        "retryBackoff": "PT1M",
        "jobTimeout": "PT10M",
        "mine": "1 < 2",
    }
    loop = '\n      <bpmn:multiInstanceLoopCharacteristics isSequential="true" />'
    output = '          <zeebe:output source="=text" target="reply" />\n'
    result, report = moved(diagram(task(inputs, headers, retries="=tries", inside=loop, outputs=output)))
    template = render(VARIANTS[0])
    assert inputs_of(result) == {
        "openai_apiKey": "{{secrets.OPENAI_API_KEY}}",
        "openai_organization": "{{secrets.ORG}}",
        "openai_operation": "chat",
        "openai_model": "custom",
        "openai_customModel": "gpt-4o",
        "openai_prompt": "=question",
        "openai_choices": "1",
        "openai_timeout": "=limit",
        "own": "=order.id",
        "openai_answerNeeded": "now",
        "openai_api": "chatCompletions",
        "openai_maxTokensParameter": "max_completion_tokens",
        "openai_responseFormat": "text",
    }
    assert headers_of(result) == headers | {
        "elementTemplateId": template["id"],
        "elementTemplateVersion": str(template["version"]),
    }
    assert (result.job_type, result.retries) == ("openai-connector:1", "=tries")
    assert result.has_outputs()
    assert [child.name for child in result.node.children] == [
        "documentation",
        "extensionElements",
        "incoming",
        "outgoing",
        "multiInstanceLoopCharacteristics",
    ]
    assert report.migrated


def test_modeler_would_write_the_same() -> None:
    """What a modeler's fresh task of this template has by default, a migrated one has, too."""
    result, _ = moved(diagram(task(chat_inputs(internal_model="gpt-5.4", internal_custom_model=None))))
    assert inputs_of(result)["openai_model"] == "gpt-5.4"
    required = {
        prop["binding"]["name"]
        for prop in render(VARIANTS[0])["properties"]
        if prop["binding"]["type"] == "zeebe:input"
        and not prop.get("optional")
        and "allMatch" not in str(prop)
        and prop.get("condition", {}).get("equals", "chat") == "chat"
    }
    assert required <= inputs_of(result).keys()


def test_retries_that_old_templates_do_not_write() -> None:
    """Without retries a job has the engine's three.

    They are written, since the panel wants to see a number.
    """
    old = diagram(task(chat_inputs(4), version=4, retries=None))
    assert moved(old)[0].retries == "3"
    assert moved(old.replace('type="io.camunda:http-json:1" />', "type='io.camunda:http-json:1'/>"))[
        0
    ].job_type == ("openai-connector:1")
    assert moved(diagram(task(chat_inputs(), retries="=tries")))[0].retries == "=tries"


def plain_outside(text: str) -> list[str]:
    return re.split(r"<\w+:serviceTask.*?</\w+:serviceTask>", text, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("start", "encoding"),
    [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_bytes_outside_of_the_tasks_stay(start: bytes, encoding: str, line_break: str) -> None:
    """In every encoding and with either line break, the file is the same outside of the tasks' elements."""
    other = '<!-- <bpmn:x a="1"> --><bpmn:userTask id="other"   name="Ünïcode 😀"><![CDATA[ & ]]></bpmn:userTask >\n'
    text = diagram(task(chat_inputs()), other, task(moderation_inputs(), element_id="Two")).replace(
        "\n", line_break
    )
    migration = migrate(start + text.encode(encoding), TODAY)
    after = migration.content.removeprefix(start).decode(encoding)
    assert migration.content.startswith(start)
    assert plain_outside(after) == plain_outside(text)
    assert all(report.migrated for report in migration.tasks)
    assert after.count("\n") == after.count(line_break)


def test_only_what_changes_is_touched_within_the_task() -> None:
    """Values keep their very bytes: entities, quotes and spaces as they were written."""
    odd = "<zeebe:input  target='internal_prompt'\n\tsource='=\"a\" + &#39;b&#x27; // &gt;' ></zeebe:input >"
    text = diagram(task(chat_inputs())).replace(
        '<zeebe:input source="=question" target="internal_prompt" />', odd
    )
    after = migrate(text.encode(), TODAY).content.decode()
    assert odd.replace("internal_prompt", "openai_prompt") in after


def test_other_prefixes_and_no_white_space() -> None:
    """Zeebe's namespace may have any prefix, or be the default one of its elements.

    A file may be one line.
    """
    text = diagram(task(chat_inputs(), version=4)).replace("zeebe:", "z:").replace("xmlns:zeebe", "xmlns:z")
    text = re.sub(r">\s+<", "><", text).replace("xmlns:zeebe", "xmlns:z")
    text = text.replace(":zeebe=", ":z=")
    result, report = moved(text)
    assert report.migrated
    assert request_of(result)[2]["model"] == "gpt-4o"
    assert headers_of(result)["elementTemplateId"] == "openai-connector.v1"

    element = (
        '<x:taskDefinition xmlns:x="http://camunda.org/schema/zeebe/1.0" type="io.camunda:http-json:1" />'
    )
    local = diagram(task(chat_inputs(), template=None, version=None))
    local = re.sub(r"<zeebe:taskDefinition[^>]*>", element, local).replace(
        ' xmlns:zeebe="http://camunda', ' xmlns:no="http://c'
    )
    local = local.replace("<zeebe:ioMapping>", '<ioMapping xmlns="http://camunda.org/schema/zeebe/1.0">')
    local = local.replace("</zeebe:ioMapping>", "</ioMapping>").replace("<zeebe:input", "<input")
    local = re.sub(r"<zeebe:taskHeaders>.*</zeebe:taskHeaders>", "", local, flags=re.DOTALL)
    result, report = moved(local)
    assert (report.migrated, result.template_id) == (True, "openai-connector.v1")
    assert request_of(result)[2]["messages"] == [{"role": "user", "content": "Why?"}]
    assert headers_of(result)["elementTemplateId"] == "openai-connector.v1"


@pytest.mark.parametrize("headers", ["", "<y:taskHeaders {y}/>", "<y:taskHeaders {y}></y:taskHeaders>"])
def test_prefixes_that_each_element_declares(headers: str) -> None:
    """Where every element declares a prefix of its own, as some libraries write it, new headers do, too."""
    zeebe = 'xmlns:{}="http://camunda.org/schema/zeebe/1.0"'
    text = diagram(task(chat_inputs(), template=None, version=None)).replace(zeebe.format("zeebe"), "")
    text = re.sub("<zeebe:(taskDefinition|ioMapping)", rf"<z:\1 {zeebe.format('z')}", text)
    text = re.sub(
        "<zeebe:taskHeaders>.*</zeebe:taskHeaders>",
        headers.format(y=zeebe.format("y")),
        text,
        flags=re.DOTALL,
    )
    result, report = moved(text.replace("zeebe:input", "z:input").replace("</zeebe:", "</z:"))
    assert (report.migrated, headers_of(result)["elementTemplateId"]) == (True, "openai-connector.v1")


def test_second_run_changes_nothing() -> None:
    """A migrated diagram has no task to migrate."""
    once = migrate(
        diagram(task(chat_inputs()), task(azure_inputs(), template=AZURE, element_id="A")).encode(), TODAY
    )
    twice = migrate(once.content, TODAY)
    assert len(once.tasks) == 2
    assert (twice.content, twice.tasks) == (once.content, [])


def test_task_without_a_link_counts_by_its_inputs() -> None:
    """A task whose link was removed is migrated and linked.

    Other REST tasks are not touched.
    """
    result, _ = moved(diagram(task(chat_inputs(), template=None, version=None)))
    assert result.template_id == "openai-connector.v1"
    rest = task({"url": "https://example.com", "method": "get"}, template=None)
    untouched = diagram(rest).encode()
    assert migrate(untouched, TODAY).content == untouched


@pytest.mark.parametrize("kind", ["sendTask", "scriptTask", "businessRuleTask", "intermediateThrowEvent"])
def test_other_elements_are_moved_over_whole(kind: str) -> None:
    """An element that somebody turned into another kind leaves Camunda's template, too.

    Without a link it gets none.
    """
    text = diagram(task(chat_inputs())).replace("bpmn:serviceTask", f"bpmn:{kind}")
    result, report = moved(text)
    assert (report.migrated, result.template_id) == (True, "openai-connector.v1")
    assert (
        migrate(text.encode(), TODAY).content == migrate(migrate(text.encode(), TODAY).content, TODAY).content
    )
    unlinked = diagram(task(chat_inputs(), template=None)).replace("bpmn:serviceTask", f"bpmn:{kind}")
    assert moved(unlinked)[0].template_id is None


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            chat_inputs(body=BODY.replace('"n":', '"user": 1, "n":')),
            "the request body was changed by hand: see user in it",
        ),
        (
            chat_inputs(body='={"model": "x"}'),
            "the request body was changed by hand: see messages, model in it",
        ),
        (chat_inputs(internal_messages='=[{"role": "user", "content": "x"}]'), "see messages in it"),
        (chat_inputs(body="=1 +"), "the input body cannot be evaluated"),
        (
            chat_inputs(url="https://api.openai.com/v1/responses"),
            "the URL was changed by hand: it does not end in /chat",
        ),
        (chat_inputs(url="https://user@llm.example/v1/chat/completions"), "must not carry a user name"),
        (
            chat_inputs(headers='={"Content-Type": "application/json", "X-Team": "a"}'),
            "the HTTP header X-Team",
        ),
        (chat_inputs(method="get"), "the method is not POST"),
        (
            chat_inputs(authentication__type="noAuth", authentication__token=None),
            "the authentication is not by an API key",
        ),
        (chat_inputs(authentication__username="me"), "authentication.username has no counterpart"),
        (chat_inputs(queryParameters='={"a": 1}'), "the input queryParameters of the REST connector"),
        (chat_inputs(internal_prompt=None), "Prompt is missing"),
        (chat_inputs(internal_model=None), "Model is missing"),
        (chat_inputs(operation="=what"), "the input operation is an expression"),
        (chat_inputs(internal_prompt="Use {{secrets.TOKEN}}"), "Prompt asks for the secret TOKEN"),
        (chat_inputs(readTimeoutInSeconds='="{{secrets.T}}" + own'), "Request timeout asks for the secret T"),
        (chat_inputs(own="=internal_prompt"), "the input own reads the variable internal_prompt"),
        (
            azure_inputs(operation="completion", completion_prompt="x"),
            "this connector knows Azure's chat completions only",
        ),
        (azure_inputs(chatCompletion_messageRole="system"), "Message role is system"),
        (azure_inputs(chatCompletion_stream="True"), "Stream is on, and this connector does not stream"),
        (azure_inputs(chatCompletion_user="a\\b"), "chatCompletion_user has a backslash"),
        (azure_inputs(url="https://x.example"), "the URL was changed by hand"),
        (azure_inputs(body=AZURE_BODY.replace("tools", "tolls")), None),
    ],
)
def test_what_cannot_be_carried_stays_as_it_is(inputs: dict[str, str], reason: str | None) -> None:
    """A task that asks something else is named with the reason and keeps every byte, or asks the same."""
    template = AZURE if "chatCompletion_messageContent" in inputs else "io.camunda.connectors.OpenAI.v1"
    text = diagram(task(inputs, template=template))
    migration = migrate(text.encode(), TODAY)
    (report,) = migration.tasks
    if reason is None:
        assert report.migrated
        return
    assert not report.migrated
    assert reason in (report.reason or "")
    assert migration.content == text.encode()


def test_output_mapping_that_reads_a_dropped_input_is_seen() -> None:
    """An output mapping of a variable that would be gone keeps the task from being changed."""
    output = '          <zeebe:output source="=internal_model" target="used" />\n'
    _, report = moved(diagram(task(chat_inputs(), outputs=output)))
    assert (
        report.reason
        == "source of <zeebe:output> reads the variable internal_model, which is not there afterwards"
    )


def test_compatible_server_becomes_a_base_url() -> None:
    """A URL that was pointed elsewhere by hand is carried as the base URL."""
    result, report = moved(diagram(task(chat_inputs(url="https://llm.example/v1/chat/completions"))))
    assert request_of(result)[0] == "https://llm.example/v1/chat/completions"
    assert any("CONNECTOR_ALLOWED_HOSTS" in change for change in report.changes)


def test_endless_timeout_is_left_to_the_worker() -> None:
    """A timeout of 0 is none in Camunda's runtime; here the worker's own holds."""
    result, report = moved(diagram(task(chat_inputs(connectionTimeoutInSeconds="0"))))
    assert "openai_timeout" not in inputs_of(result)
    assert any("0 (none)" in change for change in report.changes)


def test_model_that_is_gone_is_reported_and_replaced_on_demand() -> None:
    """The report names day and replacement; with the option the replacement is written."""
    text = diagram(task(chat_inputs(internal_model="gpt-4-turbo")))
    result, report = moved(text)
    assert inputs_of(result)["openai_customModel"] == "gpt-4-turbo"
    assert report.warnings == [
        "The model gpt-4-turbo was shut down on 2026-10-23; OpenAI names gpt-5.6-sol as its replacement"
    ]
    result, report = moved(text, replaces_models=True)
    assert (inputs_of(result)["openai_model"], "openai_customModel" in inputs_of(result)) == (
        "gpt-5.6-sol",
        False,
    )
    assert report.warnings == []


def test_differences_of_expressions_are_pointed_at() -> None:
    """Parts of the response that only Camunda's runtime gives.

    And what an error expression sees, are named.
    """
    headers = {
        "resultExpression": "={why: response.reason}",
        "errorExpression": "=if response.why = 1 then null else null",
    }
    _, report = moved(diagram(task(chat_inputs(), headers)))
    read = [warning for warning in report.warnings if " reads " in warning]
    assert [warning.split(" reads ")[0] for warning in read[:2]] == ["errorExpression", "Result expression"]
    assert "response.reason, which there is not" in read[1]


class TestCommand:
    """`openai-connector migrate`."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "order.bpmn"
        path.write_text(diagram(task(chat_inputs())), "utf-8")
        return path

    def test_writes_beside_the_file(self, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """By default the result is IN.migrated.bpmn, which is not overwritten without being told to."""
        before = source.read_bytes()
        assert main(["migrate", str(source)]) == 0
        written = source.with_name("order.migrated.bpmn")
        assert (source.read_bytes(), written.read_bytes()) == (before, migrate(before, date.today()).content)
        assert 'Ask "Ask the model" (line 6): migrated' in capsys.readouterr().out
        assert main(["migrate", str(source)]) == 1
        assert "overwrite it with --force" in capsys.readouterr().err
        assert main(["migrate", str(source), "--force"]) == 0

    def test_in_place_and_dry_run(self, source: Path) -> None:
        """A dry run writes nothing; in place, the file itself is written."""
        before = source.read_bytes()
        assert main(["migrate", str(source), "--dry-run"]) == 0
        assert [path.name for path in source.parent.iterdir()] == ["order.bpmn"]
        assert source.read_bytes() == before
        assert main(["migrate", str(source), "--in-place"]) == 0
        assert b"openai-connector.v1" in source.read_bytes()

    def test_a_file_is_never_half_written(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the disk is full, the diagram that was to be overwritten is still there, whole and alone."""
        before = source.read_bytes()

        def is_full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "replace", is_full)
        assert main(["migrate", str(source), "--in-place"]) == 1
        assert [(path, path.read_bytes()) for path in source.parent.iterdir()] == [(source, before)]

    def test_a_link_and_its_rights_stay(self, source: Path) -> None:
        """In place, a symbolic link leads to the new file, which may be read by whom the old one could."""
        link = source.with_name("link.bpmn")
        link.symlink_to(source)
        source.chmod(0o640)
        assert main(["migrate", str(link), "--in-place"]) == 0
        assert (link.is_symlink(), source.stat().st_mode & 0o777) == (True, 0o640)
        assert b"openai-connector.v1" in source.read_bytes()

    def test_names_that_the_console_lacks(self, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A report goes to a console of any encoding, and the file is written."""
        source.write_text(diagram(task(chat_inputs())).replace("Ask the model", "Grüße ☺"), "utf-8")
        console = io.TextIOWrapper(io.BytesIO(), "latin-1")
        monkeypatch.setattr(sys, "stdout", console)
        assert main(["migrate", str(source)]) == 0
        assert main(["lint", str(source)]) == 0
        assert main(["lint", "--json", str(source)]) == 0
        console.flush()
        assert console.buffer.getvalue().count("Grüße \\u263a".encode("latin-1")) == 2
        assert source.with_name("order.migrated.bpmn").is_file()

    def test_nothing_to_do(self, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A diagram without such tasks is named and not written anew; with -o it is copied."""
        source.write_text(diagram(), "utf-8")
        assert main(["migrate", str(source)]) == 0
        assert "no task of Camunda's OpenAI templates found" in capsys.readouterr().out
        assert main(["migrate", str(source), "-o", str(source.parent / "out.bpmn")]) == 0
        assert (source.parent / "out.bpmn").read_bytes() == source.read_bytes()

    def test_unreadable_and_left_tasks_fail(self, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Malformed XML, a file that is not there and a task that was left give the exit status 1."""
        assert main(["migrate", str(source.with_name("no.bpmn"))]) == 1
        assert "no.bpmn: No such file" in capsys.readouterr().err
        assert main(["migrate", "."]) == 1
        assert capsys.readouterr().err == "openai-connector migrate: .: Is a directory\n"
        assert main(["migrate", str(source), "-o", str(source.parent / "no" / "out.bpmn")]) == 1
        assert "out.bpmn: No such file" in capsys.readouterr().err
        source.write_text("<a><b></a>", "utf-8")
        assert main(["migrate", str(source)]) == 1
        assert capsys.readouterr().err == (
            f"openai-connector migrate: {source} is not well-formed XML: mismatched tag (line 1, column 9)\n"
        )
        source.write_text(diagram(task(chat_inputs(method="get"))), "utf-8")
        assert main(["migrate", str(source)]) == 1
        assert "not carried: the method is not POST" in capsys.readouterr().out

    def test_own_job_type(self, source: Path) -> None:
        """A company's own job type is written."""
        assert main(["migrate", str(source), "--in-place", "--job-type", "acme:ai"]) == 0
        (result,) = tasks_of(Markup.read(source.read_bytes()))
        assert (result.job_type, result.template_id) == ("acme:ai", "openai-connector.v1")

    @pytest.mark.parametrize(
        "command", [["migrate", "a.bpmn"], ["lint", "a.bpmn"], ["templates", "--output", "a"]]
    )
    @pytest.mark.parametrize("job_type", ["", " ", "a\nb", "\udcff"])
    def test_job_type_that_is_none(
        self, command: list[str], job_type: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A job type that no engine would take, or no file hold, is refused before anything is read."""
        with pytest.raises(SystemExit, match="2"):
            main([*command, "--job-type", job_type])
        assert "--job-type: must be a text such as acme-ai:1" in capsys.readouterr().err
