"""Where traces go: by OpenTelemetry's own variables, and never at the cost of a job."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Mapping

import pytest

from openai_connector import __version__
from openai_connector.job import Completed
from openai_connector.observe.events import JobEnded, JobStarted
from openai_connector.observe.tracing import open_traces, wanted_by
from tests.collector import Collector
from tests.make import bare_job, job, sentences_in
from tests.unit.observe.traced import named, spans_of, traces_to, work

URL = "OTEL_EXPORTER_OTLP_ENDPOINT"


def _told(message: str) -> str:
    """Return which of the sentences about traces a line is; empty: none."""
    return next((name for name in sentences_in(message) if name.startswith("TRACES_")), "")


QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}


@pytest.mark.parametrize(
    ("variables", "asking"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({URL: "http://c:4318"}, URL, id="endpoint"),
        pytest.param({URL: " "}, None, id="endpoint-blank"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            id="of-traces",
        ),
        pytest.param({"OTEL_TRACES_EXPORTER": "otlp"}, "OTEL_TRACES_EXPORTER", id="exporter"),
        pytest.param({"OTEL_TRACES_EXPORTER": "none", URL: "http://c"}, None, id="no-exporter"),
        pytest.param({"OTEL_SDK_DISABLED": "True", URL: "http://c"}, None, id="disabled"),
        pytest.param({"OTEL_SDK_DISABLED": "false", URL: "http://c"}, URL, id="not-disabled"),
        pytest.param({"OTEL_METRICS_EXPORTER": "otlp"}, None, id="of-metrics"),
    ],
)
def test_they_are_on_where_the_usual_variables_say_so(
    variables: Mapping[str, str], asking: str | None
) -> None:
    """A collector or an exporter is named, and nothing forbids it."""
    assert wanted_by(variables) == asking


def test_nothing_of_opentelemetry_is_loaded_without_them() -> None:
    """A worker without traces costs nothing of it, nor needs it to be installed."""
    program = (
        "import sys, openai_connector.service as s; s.open_traces({});"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker goes on without traces."""
    monkeypatch.setitem(sys.modules, "openai_connector.observe.tracing.export", None)
    assert open_traces({URL: "http://c"}) is None
    assert _told(caplog.messages[-1]) == "TRACES_NO_EXTRA"


class TestWhatIsSent:
    """The message, on a real socket."""

    def test_it_is_protobuf_at_the_usual_address_with_the_headers_given(self) -> None:
        """Headers of the operator's go with it, and nothing of the API's."""
        with Collector() as collector:
            with traces_to(
                collector, OTEL_EXPORTER_OTLP_HEADERS="x-key=c,authorization=Basic%20YQ%3D%3D"
            ) as traces:
                asyncio.run(work(traces, job()))
            assert set(collector.paths) == {"/v1/traces"}
            assert collector.headers[0]["content-type"] == "application/x-protobuf"
            assert collector.headers[0]["x-key"] == "c"
            assert collector.headers[0]["authorization"] == "Basic YQ=="

    @pytest.mark.parametrize(
        ("variables", "name", "value"),
        [
            pytest.param({}, "service.name", "openai-connector", id="own-name"),
            pytest.param({}, "service.version", __version__, id="own-version"),
            pytest.param({"OTEL_SERVICE_NAME": "ai"}, "service.name", "ai", id="name"),
            pytest.param(
                {"OTEL_RESOURCE_ATTRIBUTES": "service.name=ai"}, "service.name", "ai", id="name-of-resource"
            ),
            pytest.param(
                {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=b%C3%BC"},
                "deployment.environment",
                "bü",
                id="attribute",
            ),
            pytest.param({"OTEL_RESOURCE_ATTRIBUTES": "host.name=h"}, "host.name", "h", id="instead-of-own"),
        ],
    )
    def test_the_resource_is_the_workers_unless_told_otherwise(
        self, variables: Mapping[str, str], name: str, value: str
    ) -> None:
        """Usual variables name the service and what else is known of it."""
        [span, *_] = spans_of(job(), environ=variables)
        assert span.resource[name] == value

    def test_no_span_is_lost_among_many(self) -> None:
        """Batches are sent while work goes on, and what is left at the end."""
        jobs = [job(key=key) for key in range(300)]
        with Collector() as collector:
            with traces_to(collector, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="100") as traces:
                asyncio.run(work(traces, *jobs))
            assert {span.attributes["camunda.job.key"] for span in named(collector.spans, "job")} == {
                str(key) for key in range(300)
            }
            assert len(collector.spans) == 600
            assert len(collector.paths) >= 6


class TestTrouble:
    """A collector that does not take them."""

    def test_one_that_is_down_is_told_of_once_and_costs_no_job(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """All jobs are done as ever; one line says why there are no traces."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            with traces_to(**{URL: url}, **QUICK) as traces:
                outcomes = asyncio.run(work(traces, *(job(key=key) for key in range(600))))
        assert all(isinstance(outcome, Completed) for outcome in outcomes)
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert [_told(record.getMessage()) for record in warnings] == ["TRACES_LOST"]

    @pytest.mark.parametrize("status", [400, 401, 404, 500])
    def test_one_that_refuses_is_told_of_once_with_its_status(
        self, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The line says what it answered, a second one when it is over; spans after that arrive."""
        caplog.set_level(logging.INFO, "openai_connector")
        with Collector() as collector:
            collector.statuses = [status] * 3
            with traces_to(
                collector, OTEL_BSP_SCHEDULE_DELAY="1", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1"
            ) as traces:
                for key in range(8):
                    traces(JobStarted(bare_job(key=key)))
                    traces(JobEnded(bare_job(key=key), Completed(), "done", 1.0))
            assert len(collector.spans) == 5
        assert [_told(message) for message in caplog.messages] == ["TRACES_ON", "TRACES_LOST", "TRACES_FOUND"]
        assert f"answered {status}" in caplog.messages[1]

    def test_one_that_hangs_does_not_hold_the_end_up(self, caplog: pytest.LogCaptureFixture) -> None:
        """The worker waits for the last traces as long as it was told, and says that they are missing."""
        with Collector() as collector, traces_to(collector) as traces:
            collector.delay = 30.0
            asyncio.run(work(traces, job()))
            asyncio.run(traces.aclose(0.2))
        assert "TRACES_UNFINISHED" in [_told(message) for message in caplog.messages]

    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [
            pytest.param({"OTEL_TRACES_EXPORTER": "jaeger"}, "TRACES_NO_EXPORTER", id="unknown-exporter"),
            pytest.param(
                {URL: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
                "TRACES_NO_EXPORTER",
                id="other-protocol",
            ),
            pytest.param(
                {URL: "http://c", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"},
                "TRACES_NOT_OPENED",
                id="no-number",
            ),
            pytest.param(
                {URL: "http://c", "OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "TRACES_NOT_OPENED", id="negative"
            ),
            pytest.param({URL: "collector:4318"}, "TRACES_NO_URL", id="no-scheme"),
            pytest.param({URL: "http://c:port"}, "TRACES_NO_URL", id="no-port"),
            pytest.param(
                {URL: "https://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/not/there"},
                "TRACES_NO_FILE",
                id="no-file",
            ),
        ],
    )
    def test_variables_that_cannot_be_used_stop_no_worker(
        self,
        variables: Mapping[str, str],
        sentence: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """One line says so, with the variable's name, and there are no traces."""
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert open_traces(variables) is None
        assert _told(caplog.messages[-1]) == sentence
        assert list(variables)[-1] in caplog.messages[-1]

    @pytest.mark.parametrize(
        ("variables", "known"),
        [
            pytest.param({"OTEL_TRACES_EXPORTER": "jaeger"}, "otlp", id="exporter"),
            pytest.param(
                {URL: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf", id="protocol"
            ),
        ],
    )
    def test_what_is_not_installed_is_told_with_what_may_be_set(
        self, variables: Mapping[str, str], known: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """In the words of the variable, not in those of the packages."""
        assert open_traces(variables) is None
        assert known in caplog.messages[-1].replace(" or ", " ").split()
        assert "otlp_proto" not in caplog.messages[-1]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            pytest.param("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cret", id="headers"),
            pytest.param("OTEL_RESOURCE_ATTRIBUTES", "s3cret", id="resource"),
            pytest.param("OTEL_TRACES_SAMPLER", "s3cret", id="sampler"),
            pytest.param("OTEL_BSP_SCHEDULE_DELAY", "s3cret", id="number"),
            pytest.param("OTEL_EXPORTER_OTLP_COMPRESSION", "s3cret", id="compression"),
            pytest.param("OTEL_EXPORTER_OTLP_TIMEOUT", "s3cret", id="timeout"),
            pytest.param("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "s3cret", id="detector"),
        ],
    )
    def test_a_value_that_the_library_leaves_out_is_told_by_its_name(
        self, name: str, value: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither what it holds, which may be a password, nor a stack trace is in the log."""
        with traces_to(**{URL: "http://127.0.0.1:1", name: value}):
            [record] = [
                record for record in caplog.records if _told(record.getMessage()) == "TRACES_VARIABLE"
            ]
        assert name in record.getMessage()
        assert "s3cret" not in caplog.text
        assert "Traceback" not in caplog.text

    def test_a_bug_in_it_reaches_no_job(self, caplog: pytest.LogCaptureFixture) -> None:
        """A listener must not raise: the first time is logged."""
        with Collector() as collector, traces_to(collector) as traces:
            for _ in range(3):
                traces(JobStarted(None))  # type: ignore[arg-type]
        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1


def test_where_they_go_is_told_without_what_may_be_secret(caplog: pytest.LogCaptureFixture) -> None:
    """The log names host and port of the collector; user, path and query are left out."""
    caplog.set_level(logging.INFO, "openai_connector")
    with traces_to(**{URL: "http://me:pass@127.0.0.1:1/token/abc?key=d"}):
        pass
    assert "127.0.0.1:1" in caplog.messages[0]
    assert not any(word in caplog.text for word in ("pass@", "abc", "key=d"))
