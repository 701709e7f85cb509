"""The command `openai-connector evaluate`, as a person or a script calls it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openai_connector.cli import main
from tests.stand_in import chat_body
from tests.unit.operations.responses import body_of, called, said, thought


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Call the command; give status, standard output and standard error."""
    status = main(["evaluate", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Call the command and read the outcome that it prints."""
    status, out, err = call(capsys, *arguments)
    assert (status, err) == (0, "")
    result: dict[str, Any] = json.loads(out)
    return result


def test_an_expression_is_evaluated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The value is printed as JSON; variables come as JSON or from a file."""
    assert call(capsys, "=1 + 1") == call(capsys, "== 1 + 1") == (0, "2\n", "")
    assert call(capsys, "a + 1", "--context", '{"a": 2}') == (0, "3\n", "")
    file = tmp_path / "context.json"
    file.write_text('{"a": "ü"}', "utf-8")
    assert call(capsys, "a", "--context", str(file)) == (0, '"ü"\n', "")
    assert call(capsys, 'duration("P1DT2H")') == (0, '"PT26H"\n', "")


def test_warnings_have_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    """Null is explained: which variable is missing, and where it stands."""
    status, out, err = call(capsys, "1 + missing")
    assert (status, out) == (0, "null\n")
    assert "'missing'" in err
    assert "column 5" in err


@pytest.mark.parametrize("expression", ["1 +", "{a: ]}", "assert(1, false)", "f.g(1)"])
def test_failures_are_said(capsys: pytest.CaptureFixture[str], expression: str) -> None:
    """Syntax errors and failed evaluations print nothing to standard output and have the status 1."""
    status, out, err = call(capsys, expression)
    assert (status, out) == (1, "")
    assert err


def test_a_syntax_error_has_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    """The line in question is shown with a caret below the place."""
    _, _, err = call(capsys, "{a: 1,\n b: ]}")
    assert err.splitlines()[-2:] == [" b: ]}", "     ^"] or "^" in err.splitlines()[-1]
    assert "line 2" in err


def test_a_response_is_mapped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Response, result variable, result expression and error expression come as options."""
    file = tmp_path / "response.json"
    file.write_text('{"status": 200, "body": {"a": 1}}', "utf-8")
    mapped = outcome(
        capsys, "--response", str(file), "--result-variable", "r", "--result-expression", "={x: body.a}"
    )
    assert mapped["variables"] == {"r": {"status": 200, "body": {"a": 1}}, "x": 1}
    thrown = outcome(
        capsys, "--response", str(file), "--error-expression", '=bpmnError("C", "", {n: job.retries})'
    )
    assert (thrown["outcome"], thrown["errorCode"], thrown["variables"]) == ("bpmnError", "C", {"n": 3})


@pytest.mark.parametrize("is_whole", [False, True], ids=["body", "response"])
@pytest.mark.parametrize(
    ("body", "text", "value"),
    [
        (body_of(thought(), said("Hello")), "Hello", None),
        (body_of(said('{"a": 1}')), '{"a": 1}', {"a": 1}),
        (body_of(said("[1]")), "[1]", None),
        (body_of(called()), None, None),
        (chat_body("Hello"), "Hello", None),
        (chat_body('{"a": 1}'), '{"a": 1}', {"a": 1}),
    ],
    ids=["responses", "responses_json", "responses_list", "responses_call", "chat", "chat_json"],
)
def test_an_answer_as_the_api_gave_it_has_its_output(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, body: Any, text: Any, value: Any, is_whole: bool
) -> None:
    """What was recorded of either API is mapped as the worker would map it."""
    file = tmp_path / "answer.json"
    recorded = {"status": 200, "headers": {}, "body": body} if is_whole else body
    file.write_text(json.dumps(recorded), "utf-8")
    expression = "={text: response.output.text, json: response.output.json, model: body.model, "
    expression += "condition: response.output.condition}"
    mapped = outcome(capsys, "--response", str(file), "--result-expression", expression)["variables"]
    wanted = {"text": text, "json": value, "model": "gpt-6-luna", "condition": "AS_ASKED"}
    assert mapped == wanted


@pytest.mark.parametrize(
    "recorded",
    [
        {"body": body_of(said("Hello")), "output": {"text": "mine"}},
        {"status": 200, "body": {"object": "response", "choices": []}},
        {"object": ["response"]},
        {"object": "embedding", "output": [1]},
        [1],
        None,
    ],
    ids=["with_output", "no_answer", "odd", "other", "list", "null"],
)
def test_another_response_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, recorded: Any
) -> None:
    """An output that was recorded counts, and what is no answer of a known API is only JSON."""
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(recorded), "utf-8")
    assert outcome(capsys, "--response", str(file), "--result-variable", "r")["variables"] == {"r": recorded}


def test_an_error_is_handled(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An error object and the retries come as options."""
    file = tmp_path / "error.json"
    file.write_text('{"type": "ApiStatusError", "code": "500", "message": "m"}', "utf-8")
    assert outcome(capsys, "--error", str(file), "--retries", "2")["retries"] == 1


def test_cases_are_answered_line_by_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line has an answer in its place.

    A line that is no case says so and ends nothing, but the status is 1.
    """
    lines = [
        '{"response": 1, "headers": {"resultVariable": "r"}}',
        "",
        "nonsense",
        "[]",
        '{"headers": {}}',
        '{"response": 1, "headers": {"resultVariable": 5}}',
        '{"response": 1, "retries": "x"}',
        '{"error": "x"}',
        '{"error": {"message": "m"}, "retries": 1}',
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    status, out, _ = call(capsys, "--case", "-")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [answer["outcome"] for answer in answers] == ["complete", *[None] * 6, "fail"]
    assert all(answer["errorMessage"] for answer in answers[1:7])


def test_a_bad_first_line_ends_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Lines after one that is no case are answered wherever it stands."""
    file = tmp_path / "cases.jsonl"
    file.write_text('nonsense\n{"response": 1}\n{"error": {"message": "m"}}\n', "utf-8")
    status, out, _ = call(capsys, "--case", str(file))
    assert status == 1
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == [None, "complete", "fail"]


def test_bytes_that_are_no_utf8_are_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line in another encoding is a bad line, a file in another encoding is named."""
    file = tmp_path / "cases.jsonl"
    file.write_bytes(b'{"response": 1}\n{"response": "\xe4"}\n{"response": 3}\n')
    status, out, _ = call(capsys, "--case", str(file))
    assert status == 1
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["complete", None, "complete"]
    status, out, err = call(capsys, "--response", str(file))
    assert (status, out) == (1, "")
    assert "is not UTF-8 text" in err


CASES = [sys.executable, "-m", "openai_connector", "evaluate", "--case", "-"]


def test_json_is_utf8_in_any_locale() -> None:
    """Neither a locale without such letters nor the mark that Windows puts before UTF-8 changes a response."""
    environment = os.environ | {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    case = json.dumps({"response": "ü", "headers": {"resultVariable": "r"}}, ensure_ascii=False)
    done = subprocess.run(
        CASES, input=b"\xef\xbb\xbf" + case.encode(), env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout.decode("utf-8"))["variables"] == {"r": "ü"}


def test_a_reader_may_leave() -> None:
    """`| head -1` closes the pipe: the command ends without a word."""
    pipe = subprocess.PIPE
    with subprocess.Popen(CASES, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b'{"response": 1}\n')
        assert json.loads(process.stdout.readline())["outcome"] == "complete"
        process.stdout.close()
        process.stdin.write(b'{"response": 1}\n')
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


@pytest.mark.parametrize("error", ["null", '{"message": "m"}'])
def test_an_error_of_null_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, error: str) -> None:
    """A script may give both keys: the error counts where there is one."""
    file = tmp_path / "case.json"
    file.write_text(f'{{"response": 1, "error": {error}}}', "utf-8")
    assert outcome(capsys, "--case", str(file))["outcome"] == ("complete" if error == "null" else "fail")


def test_one_case_may_have_many_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file with one indented case is one case."""
    file = tmp_path / "case.json"
    file.write_text(json.dumps({"response": None, "headers": {"resultVariable": "r"}}, indent=2), "utf-8")
    assert outcome(capsys, "--case", str(file))["variables"] == {"r": None}


def test_every_answer_has_the_same_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Scripts may rely on the keys: what does not apply is null."""
    file = tmp_path / "cases.jsonl"
    cases = [
        {"response": 1},
        {"error": {"message": "m"}},
        {"response": 1, "headers": {"resultExpression": "=]"}},
    ]
    file.write_text("\n".join(json.dumps(case) for case in cases), "utf-8")
    _, out, _ = call(capsys, "--case", str(file))
    keys = {"outcome", "variables", "errorMessage", "errorCode", "retries", "retryBackoff"}
    assert [set(json.loads(line)) for line in out.splitlines()] == [keys] * 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--case", "missing.json"],
        ["--response", "missing.json"],
        ["a", "--context", "missing.json"],
        ["a", "--context", "{"],
    ],
)
def test_what_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Missing files and broken JSON give one sentence and the status 1."""
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("openai-connector evaluate: ")
    assert len(err.splitlines()) == 1


def test_odd_characters_are_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A lone surrogate in a response does not break the output."""
    file = tmp_path / "response.json"
    file.write_text('{"t": "a\\ud83d"}', "utf-8")
    assert outcome(capsys, "--response", str(file), "--result-expression", "={t: t}")["variables"][
        "t"
    ].startswith("a")
