"""`openai-connector try`: what is shown, and the exit status that a script goes by."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from openai_connector.cli import main
from tests.commands.program import Done, run, running
from tests.diagrams import process, service, task
from tests.local_engine import bpmn
from tests.processes import left_running
from tests.stand_in import Answer, StandIn, chat_body, failure

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTION = '{"message": "Where is my parcel?"}'
USER_TASK = "io.camunda.zeebe:userTask"


def written(folder: Path, *parts: str, name: str = "own.bpmn") -> Path:
    """Write a diagram."""
    path = folder / name
    path.write_bytes(bpmn.definitions(*parts))
    return path


def line(*elements: str, process_id: str = "own", ids: tuple[str, ...]) -> str:
    """Make a process whose elements stand in a row."""
    return bpmn.process(process_id, bpmn.START, *elements, bpmn.END, bpmn.chain("start", *ids, "end"))


def ours(folder: Path, name: str = "asks", **headers: str) -> Path:
    """Write a diagram of one chat task that asks the worker's own API."""
    values = {"openai_operation": "chat", "openai_prompt": "=question"}
    path = folder / f"{name}.bpmn"
    path.write_text(process(name, task(values=values, headers=headers)), "utf-8")
    return path


async def asked(api: StandIn, *arguments: str | Path, question: str = "Who?") -> Done:
    """Try a diagram of `ours` with a question and this API."""
    variables = json.dumps({"question": question})
    return await run(
        "try", *arguments, "--variables", variables, environment={"OPENAI_BASE_URL": api.base_url}
    )


# Against a stand-in API, as in continuous integration


async def test_an_example_is_shown_step_by_step(api: StandIn) -> None:
    """Job, request, results, path and variables are shown, the key comes from the secret.

    And the status is 0.
    """
    settings = {"OPENAI_BASE_URL": api.base_url, "SECRET_OPENAI_API_KEY": "sk-try"}
    done = await run(
        "try", EXAMPLES / "moderate-then-answer.bpmn", "--variables", QUESTION, environment=settings
    )
    assert (done.status, done.err) == (0, "")
    assert [request.header("Authorization") for request in api.requests] == ["Bearer sk-try"] * 2
    for shown in (
        "Check the message job",
        "POST /moderations input: Where is my parcel?",
        "POST /chat/completions, 2 messages (system, user) to gpt-6-luna",
        "answer Answer 1",
        "Ended at Message answered after",
        "path message-received > check-message > is-harmful > answer-message > answered",
        "message Where is my parcel?",
    ):
        assert shown in done.words
    assert "sk-try" not in done.out
    assert "\x1b" not in done.out


async def test_json_is_one_document(api: StandIn) -> None:
    """With --json standard output is one JSON document that has all of it, and nothing else."""
    settings = {"OPENAI_BASE_URL": api.base_url}
    done = await run(
        "try", EXAMPLES / "moderate-then-answer.bpmn", "--json", "--variables", QUESTION, environment=settings
    )
    assert (done.status, done.err) == (0, "")
    found = done.json
    assert (found["status"], found["process"]) == ("completed", "moderate-then-answer")
    assert found["path"] == ["message-received", "check-message", "is-harmful", "answer-message", "answered"]
    assert found["flows"] == ["to-check", "to-gateway", "harmless", "to-answered"]
    assert found["endEvents"] == ["answered"]
    assert [step["outcome"] for step in found["steps"]] == ["completed", "completed"]
    assert found["steps"][1]["request"]["body"] == api.requests[1].json
    assert found["steps"][1]["variables"] == {"answer": "Answer 1", "tokens": 12}
    assert found["variables"] == {
        "answer": "Answer 1",
        "categories": [],
        "flagged": False,
        "message": "Where is my parcel?",
        "tokens": 12,
    }
    assert found["incidents"] == found["waitingFor"] == []


async def test_a_key_alone_goes_into_the_secret_too(api: StandIn, tmp_path: Path) -> None:
    """OPENAI_API_KEY is the worker's own key, and what tasks get that name the secret."""
    settings = {"OPENAI_API_KEY": "sk-own"}
    done = await run(
        *(
            "try",
            EXAMPLES / "moderate-then-answer.bpmn",
            "--variables",
            QUESTION,
            "--api-base-url",
            api.base_url,
        ),
        environment=settings,
    )
    assert done.status == 0
    assert {request.header("Authorization") for request in api.requests} == {"Bearer sk-own"}


async def test_settings_of_a_cluster_do_not_reach_it(api: StandIn) -> None:
    """Address, credentials and tenants of another engine change nothing, even where they are wrong."""
    settings = {
        "OPENAI_BASE_URL": api.base_url,
        "ZEEBE_ADDRESS": "https://elsewhere.example.com",
        "ZEEBE_CLIENT_ID": "me",
        "CAMUNDA_TENANT_IDS": "theirs",
        "ZEEBE_CA_CERTIFICATE_PATH": "/nowhere",
    }
    done = await run(
        "try", EXAMPLES / "moderate-then-answer.bpmn", "--variables", QUESTION, environment=settings
    )
    assert (done.status, done.err) == (0, "")


async def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    """A setting of the worker that cannot be used ends the command with 2, before anything is run."""
    settings = {"CONNECTOR_MAX_JOBS": "many", "OPENAI_API_KEY": "k"}
    done = await run("try", EXAMPLES / "chat-loop.bpmn", environment=settings)
    assert (done.status, done.out) == (2, "")
    assert done.err == "openai-connector try: CONNECTOR_MAX_JOBS must be a whole number.\n"


async def test_an_incident_of_a_task_ends_it(api: StandIn, tmp_path: Path) -> None:
    """A call that fails for good stops the try with 1 and the incident's message.

    And the step says so too.
    """
    api.always(failure(401, "Incorrect API key"))
    done = await asked(api, ours(tmp_path), "--json")
    assert done.status == 1
    found = done.json
    assert found["status"] == "incident"
    assert [incident["element"] for incident in found["incidents"]] == ["Ask"]
    assert "The API answered 401 Unauthorized" in found["incidents"][0]["message"]
    assert [(step["outcome"], step["retries"]) for step in found["steps"]] == [("failed", 0)]
    assert found["variables"] == {"question": "Who?"}


async def test_a_failed_attempt_is_a_step_of_its_own(api: StandIn, tmp_path: Path) -> None:
    """A call that passes at the second attempt is shown twice: failed with its retries, then completed."""
    api.answer(failure(500, "Trouble"))
    path = ours(tmp_path, resultVariable="answer", retryBackoff="PT0S")
    done = await asked(api, path)
    assert done.status == 0
    assert "failed, 2 retries left The API answered 500" in done.words
    assert "answer.status 200 .output.text Answer 1 .output.finishReason stop" in done.words


async def test_a_back_off_beyond_the_timeout_is_not_waited_for(api: StandIn, tmp_path: Path) -> None:
    """A retry that comes too late ends the try at once, and says when it would come."""
    api.always(failure(500, "Trouble"))
    path = ours(tmp_path, retryBackoff="PT1H")
    done = await asked(api, path, "--json", "--timeout", "30")
    assert (done.status, done.json["status"]) == (1, "waiting")
    (reason,) = done.json["waitingFor"]
    assert (reason["kind"], reason["element"]) == ("back-off", "Ask")
    assert "in 60 min: The API answered 500" in reason["message"]
    assert done.json["seconds"] < 30


async def test_long_values_are_whole(api: StandIn, tmp_path: Path) -> None:
    """Values beyond what the engine's records show are complete, in the step and at the end."""
    api.always(Answer(body=chat_body("x" * 50_000)))
    path = ours(tmp_path, resultExpression="={text: output.text}")
    done = await asked(api, path, "--json", question="q" * 20_000)
    assert done.status == 0
    assert done.json["variables"] == {"question": "q" * 20_000, "text": "x" * 50_000}
    assert done.json["steps"][0]["variables"] == {"text": "x" * 50_000}
    assert done.json["steps"][0]["request"]["body"]["messages"][0]["content"] == "q" * 20_000


async def test_a_value_cannot_steer_the_terminal(api: StandIn, tmp_path: Path) -> None:
    """Control characters of an answer are not written to the console."""
    api.always(Answer(body=chat_body("red \x1b[31m and \x07 bell")))
    path = ours(tmp_path, resultExpression="={text: output.text}")
    done = await asked(api, path)
    assert done.status == 0
    assert "\x1b" not in done.out
    assert "\x07" not in done.out


async def test_an_api_that_hangs_is_ended_by_the_timeout(api: StandIn, tmp_path: Path) -> None:
    """A call that does not come back ends with the status 1 after --timeout.

    And the job is not left hanging.
    """
    api.hold()
    done = await asked(api, ours(tmp_path), "--json", "--timeout", "1")
    assert (done.status, done.json["status"]) == (1, "timeout")


async def test_without_a_key_the_small_model_answers() -> None:
    """Nothing but the command is needed: the small model is started, asked and ended."""
    variables = '{"message": "Good morning! How do I pack a vase?"}'
    done = await run("try", EXAMPLES / "moderate-then-answer.bpmn", "--variables", variables, "--json")
    assert done.status == 0, done.err
    assert done.json["endEvents"] == ["answered"]
    assert done.json["variables"]["answer"]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """A Ctrl-C while the model loads ends the command with 130, its children and its files with it, quietly."""
    with running(tmp_path, "try", EXAMPLES / "moderate-then-answer.bpmn", "--variables", QUESTION) as trying:
        trying.said("A small model on this machine answers")
        started = trying.children()
        assert started
        assert trying.end(signal.SIGINT) == 130
        assert "Traceback" not in trying.err
    assert left_running(started) == []
    assert list((tmp_path / "scratch").iterdir()) == []


# Without any API: other jobs, and all that stops a process


@pytest.mark.usefixtures("own_process")
def test_other_jobs_are_completed_by_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each --job of a type is given to one job, the last to all that follow, from JSON and from a file."""
    path = written(tmp_path, line(*(bpmn.job(name, type="count") for name in "abc"), ids=("a", "b", "c")))
    answer = tmp_path / "answer.json"
    answer.write_text('{"last": 2}')
    assert main(["try", str(path), "--json", "--job", 'count={"first": 1}', "--job", f"count=@{answer}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["variables"] == {"first": 1, "last": 2}
    assert [step["variables"] for step in found["steps"]] == [{"first": 1}, {"last": 2}, {"last": 2}]
    assert {step["answeredByOption"] for step in found["steps"]} == {True}


@pytest.mark.usefixtures("own_process")
def test_our_own_jobs_can_be_answered_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --job for this connector's type the gateways are tried without any API and without a model."""
    arguments = [str(EXAMPLES / "moderate-then-answer.bpmn"), "--variables", QUESTION, "--json"]
    assert main(["try", *arguments, "--job", 'openai-connector:1={"flagged": true}']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["endEvents"] == ["refused"]
    assert found["steps"][0]["request"]["body"] == {"input": "Where is my parcel?"}


@pytest.mark.usefixtures("own_process")
def test_a_job_that_nobody_does_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Type and element are named, and the option that completes it is shown, ready to be copied."""
    path = written(tmp_path, line(bpmn.job("pay", type="it's pay", retries="3"), ids=("pay",)))
    assert main(["try", str(path)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "The job of 'pay' has the type it's pay, which nobody does here" in said
    assert "complete it with --job 'it'\\''s pay={}'" in said


@pytest.mark.usefixtures("own_process")
def test_other_branches_go_on_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A branch that stands does not hide what the others do, and all that stands is told at the end."""
    path = written(
        tmp_path,
        bpmn.process(
            "own",
            bpmn.START,
            bpmn.element("parallelGateway", "fork"),
            bpmn.element("parallelGateway", "join"),
            *(bpmn.job(name) for name in ("stands", "done", "after")),
            bpmn.END,
            bpmn.chain("start", "fork", "stands", "join", "end"),
            bpmn.chain("fork", "done", "after", "join"),
        ),
    )
    assert main(["try", str(path), "--json", "--job", "done={}", "--job", "after={}"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [step["element"] for step in found["steps"]] == ["done", "after"]
    assert [(reason["kind"], reason["element"]) for reason in found["waitingFor"]] == [("job", "stands")]


@pytest.mark.parametrize(
    ("event", "messages", "kind", "said"),
    [
        pytest.param(
            bpmn.on_message("m"),
            bpmn.message("m", "paid", '="4711"'),
            "message",
            "waits for the message paid with the correlation key 4711",
            id="message",
        ),
        pytest.param(bpmn.timer("duration", "P3D"), "", "timer", "The timer 'wait' fires at 2", id="timer"),
    ],
)
@pytest.mark.usefixtures("own_process")
def test_what_does_not_come_stops_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], event: str, messages: str, kind: str, said: str
) -> None:
    """A message that nobody sends and a timer after the timeout end the try at once, each with what to do."""
    path = written(tmp_path, messages, line(bpmn.catch("wait", event), ids=("wait",)))
    assert main(["try", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (reason,) = found["waitingFor"]
    assert (found["status"], reason["kind"], reason["element"]) == ("waiting", kind, "wait")
    assert said in reason["message"]
    assert reason["advice"]
    assert found["seconds"] < 60


@pytest.mark.usefixtures("own_process")
def test_a_join_that_waits_for_ever_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where only one of two flows reaches a parallel gateway, the gateway is what the try stops at."""
    path = written(
        tmp_path,
        bpmn.process(
            "own",
            bpmn.START,
            bpmn.element("exclusiveGateway", "either", default="either-join"),
            bpmn.job("other"),
            bpmn.element("parallelGateway", "join"),
            bpmn.END,
            bpmn.chain("start", "either", "join", "end"),
            bpmn.flow("either", "other", "=false"),
            bpmn.flow("other", "join"),
        ),
    )
    assert main(["try", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(reason["kind"], reason["element"]) for reason in found["waitingFor"]] == [("gateway", "join")]


@pytest.mark.usefixtures("own_process")
def test_a_short_timer_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A timer within the timeout fires by itself, also one at a job that nobody does."""
    path = written(
        tmp_path,
        bpmn.process(
            "own",
            bpmn.START,
            bpmn.job("slow"),
            bpmn.boundary("late", "slow", bpmn.timer("duration", "PT0.3S")),
            bpmn.END,
            bpmn.element("endEvent", "gave-up"),
            bpmn.chain("start", "slow", "end"),
            bpmn.flow("late", "gave-up"),
        ),
    )
    assert main(["try", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["endEvents"] == ["gave-up"]
    assert found["seconds"] >= 0.3
    assert [step["outcome"] for step in found["steps"]] == ["canceled"]


@pytest.mark.usefixtures("own_process")
def test_a_gateway_without_a_way_is_an_incident(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An incident that no job has caused is shown with its message and with what to do."""
    path = written(
        tmp_path,
        bpmn.process(
            "own",
            bpmn.START,
            bpmn.element("exclusiveGateway", "which"),
            bpmn.END,
            bpmn.element("endEvent", "other"),
            bpmn.flow("start", "which"),
            bpmn.flow("which", "end", "=amount > 10"),
            bpmn.flow("which", "other", "=amount < 5"),
        ),
    )
    assert main(["try", str(path), "--variables", '{"amount": 7}']) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Stopped at an incident" in said
    assert "incident at which: " in said
    assert "what to do give the gateway a default flow" in said


@pytest.mark.usefixtures("own_process")
def test_a_called_process_comes_from_another_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With both files the called process's steps are shown.

    Without the second one the incident says what to do.
    """
    caller = written(tmp_path, line(bpmn.call("calls", "inner"), ids=("calls",)))
    called = line(bpmn.job("work"), process_id="inner", ids=("work",))
    inner = written(tmp_path, called, name="inner.bpmn")
    assert main(["try", str(caller), str(inner), "--json", "--job", 'work={"done": true}']) == 0
    found = json.loads(capsys.readouterr().out)
    assert [step["element"] for step in found["steps"]] == ["work"]
    assert found["path"] == ["start", "calls", "start", "work", "end", "end"]
    assert found["endEvents"] == ["end"]
    assert found["variables"] == {"done": True}
    assert main(["try", str(caller), "--json"]) == 1
    (incident,) = json.loads(capsys.readouterr().out)["incidents"]
    assert "diagram" in incident["advice"]


@pytest.mark.usefixtures("own_process")
def test_one_of_several_processes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A diagram with two processes needs --process, and runs the one that is named."""
    second = bpmn.process("two", bpmn.element("startEvent", "begin"))
    path = written(tmp_path, bpmn.process("one", bpmn.START), second)
    assert main(["try", str(path)]) == 2
    assert (
        "own.bpmn has several processes: name one of 'one', 'two' with --process." in capsys.readouterr().err
    )
    assert main(["try", str(path), "--process", "two", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["process"] == "two"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ["nothing.bpmn"], "nothing.bpmn cannot be read (No such file or directory).", id="no file"
        ),
        pytest.param(["bad.bpmn"], "'bad.bpmn': Element 'odd': ", id="refused diagram"),
        pytest.param(["text.bpmn"], "'text.bpmn': The file is no XML", id="no diagram"),
        pytest.param(["own.bpmn", "--process", "x"], "no executable process 'x'", id="unknown process"),
        pytest.param(["timed.bpmn"], "no none start event", id="started by a timer"),
        pytest.param(["own.bpmn", "--variables", "{a"], "--variables: '{a' is no JSON", id="broken JSON"),
        pytest.param(["own.bpmn", "--variables", '{"a": NaN}'], "NaN is no JSON number", id="not a number"),
        pytest.param(["own.bpmn", "--variables", "[1]"], "--variables must be a JSON object", id="a list"),
        pytest.param(
            ["own.bpmn", "--variables", "@none"], "the file none cannot be read", id="no variables file"
        ),
        pytest.param(
            ["own.bpmn", "--job", "pay"], "--job must be TYPE=JSON or TYPE=@FILE, got 'pay'", id="no answer"
        ),
        pytest.param(
            ["own.bpmn", "--job", "pay=1"], "--job pay must be a JSON object", id="answer is a number"
        ),
        pytest.param(["own.bpmn", "own.bpmn"], "the process id 'own' is used twice", id="a file twice"),
    ],
)
@pytest.mark.usefixtures("own_process")
def test_wrong_use_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """Whatever cannot be used is named in a sentence on standard error.

    Nothing is run, and the status is 2.
    """
    monkeypatch.chdir(tmp_path)
    written(tmp_path, line(ids=()))
    written(tmp_path, line(bpmn.element("complexGateway", "odd"), ids=("odd",)), name="bad.bpmn")
    start = bpmn.event_start("start", bpmn.timer("date", "2099-01-01T00:00:00Z"))
    timed = bpmn.process("timed", start, bpmn.END, bpmn.chain("start", "end"))
    written(tmp_path, timed, name="timed.bpmn")
    (tmp_path / "text.bpmn").write_text("no diagram")
    assert main(["try", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("openai-connector try: ")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    "option", [["--timeout", "soon"], ["--nothing"]], ids=["no duration", "unknown option"]
)
def test_wrong_options_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    """What the command line itself refuses has the status 2 as well."""
    with pytest.raises(SystemExit) as ended:
        main(["try", str(tmp_path / "own.bpmn"), *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err


@pytest.mark.usefixtures("own_process")
def test_an_answer_that_is_too_large_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Variables of --job that the engine refuses end the try with its reason."""
    path = written(tmp_path, line(bpmn.job("pay"), ids=("pay",)))
    answer = tmp_path / "large.json"
    answer.write_text(json.dumps({"large": "x" * 3_000_000}))
    assert main(["try", str(path), "--job", f"pay=@{answer}"]) == 1
    assert "--job pay: the engine refuses these variables: " in capsys.readouterr().err


async def test_variables_come_from_standard_input(tmp_path: Path) -> None:
    """`--variables @-` reads what another program writes."""
    path = tmp_path / "own.bpmn"
    path.write_text(process("own", service("pay")), "utf-8")
    done = await run("try", path, "--json", "--variables", "@-", "--job", "pay={}", given='{"größe": 1}')
    assert (done.status, done.json["variables"]) == (0, {"größe": 1})
