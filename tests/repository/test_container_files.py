"""Dockerfile and docker-compose.yml, as far as they can be judged without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import timedelta
from fnmatch import fnmatchcase
from importlib.metadata import requires
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openai_connector import cli, settings
from openai_connector.duration import parse_duration

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
COMPOSE_SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parent / "schemas" / "compose-spec.json").read_text("utf-8"))
)
WORKER: dict[str, Any] = COMPOSE["services"]["worker"]
ENGINE: dict[str, Any] = COMPOSE["services"]["zeebe"]
KNOWN = {name for row in settings.table() for name in row.names}
CREDENTIAL = re.compile(r"key|secret|token|password", re.IGNORECASE)


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments, continuation lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text("utf-8"))
LAST_FROM = max(number for number, (word, _) in enumerate(DOCKERFILE) if word == "FROM")
FINAL = DOCKERFILE[LAST_FROM:]


def arguments(word: str, stage: list[tuple[str, str]]) -> list[str]:
    """Return the arguments of every instruction of one kind."""
    return [rest for found, rest in stage if found == word]


def environment() -> dict[str, str]:
    """Return what the Dockerfile sets in all its stages."""
    return dict(pair.split("=", 1) for rest in arguments("ENV", DOCKERFILE) for pair in rest.split())


def copied() -> list[str]:
    """Return the paths that the Dockerfile copies from the build context."""
    plain = [rest.split() for rest in arguments("COPY", DOCKERFILE) if "--from" not in rest]
    return [source for words in plain for source in words[:-1]]


def commands() -> list[str]:
    """Return the shell commands of all RUN instructions."""
    return [command.strip() for rest in arguments("RUN", DOCKERFILE) for command in rest.split("&&")]


def is_sent(path: str) -> bool:
    """Check whether .dockerignore lets a path into the build context.

    The last pattern that matches it decides.
    """
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        parents = [path, *(str(parent) for parent in PurePosixPath(path).parents)]
        if any(fnmatchcase(one, pattern.replace("**/", "*")) or fnmatchcase(one, pattern) for one in parents):
            sent = line.strip().startswith("!")
    return sent


def needed_by(names: list[str]) -> set[str]:
    """Return distributions and everything that they need, as installed here."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = canonicalize_name(Requirement(pending.pop()).name)
        if name in found:
            continue
        found.add(name)
        wanted = map(Requirement, requires(name) or [])
        pending += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def test_the_worker_is_not_root() -> None:
    """The image's user is a number other than 0, as Kubernetes' runAsNonRoot needs it.

    And is never changed back.
    """
    (user,) = arguments("USER", FINAL)
    assert all(int(part) > 0 for part in user.split(":"))


def test_signals_reach_the_worker_itself() -> None:
    """Entry point and command are in exec form (no shell in between), name real commands.

    And SIGTERM ends them.
    """
    (entry_point,), (command,) = arguments("ENTRYPOINT", FINAL), arguments("CMD", FINAL)
    (program,) = json.loads(entry_point)
    assert program in PROJECT["project"]["scripts"]
    with pytest.raises(SystemExit, match=r"^0$"):  # a command that is not there would be wrong use
        cli.main([*json.loads(command), "--help"])
    assert arguments("STOPSIGNAL", FINAL) == ["SIGTERM"]


def test_everything_installed_is_pinned_by_its_hash() -> None:
    """Each pip install takes the locked file with hashes, or the wheel just built.

    None resolves dependencies.
    """
    installs = [command for command in commands() if " install " in command]
    assert len(installs) == 2
    locked, built = installs
    assert "--require-hashes" in locked
    assert "-r requirements/worker.txt" in locked
    assert built.endswith(" dist/*.whl")
    assert all("--no-deps" in command for command in installs)
    assert not any(re.search(r"\b(curl|wget|apt-get|git clone)\b", command) for command in commands())


def test_the_final_image_has_no_build_tools() -> None:
    """What only the build needs is uninstalled, no more and no less, and the last stage runs nothing."""
    build_only = needed_by(PROJECT["dependency-groups"]["build"]) - needed_by(
        PROJECT["project"]["dependencies"]
    )
    (uninstall,) = [command for command in commands() if " uninstall " in command]
    assert set(uninstall.split("--yes")[1].split()) == build_only
    assert not arguments("RUN", FINAL)
    assert len(arguments("COPY", FINAL)) == 1


def test_the_images_python_is_supported() -> None:
    """The base image's Python version is one that the project says it supports, the same in both stages."""
    version = arguments("ARG", DOCKERFILE)[0]
    number = version.removeprefix("PYTHON_VERSION=")
    assert f"Programming Language :: Python :: {number}" in PROJECT["project"]["classifiers"]
    assert {base.split()[0] for base in arguments("FROM", DOCKERFILE)} == {"python:${PYTHON_VERSION}-slim"}


def test_what_is_copied_is_there() -> None:
    """Every path that is copied is in git, and .dockerignore lets it into the build context."""
    tracked = subprocess.run(
        ["git", "ls-files", "--", *copied()], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    if not tracked:
        pytest.skip("this is no git checkout")
    for path in copied():
        files = [file for file in tracked if file == path or file.startswith(f"{path}/")]
        assert files, path
        assert all(is_sent(file) for file in files), path


@pytest.mark.parametrize(
    "path",
    [".env", "secrets/OPENAI_API_KEY", ".git/config", ".venv/bin/python", "worker/x/__pycache__/x.pyc"],
)
def test_what_must_stay_outside_stays_outside(path: str) -> None:
    """Secrets, history, environments and compiled files of the checkout never reach the build context."""
    assert not is_sent(path)


def test_every_environment_variable_is_a_setting() -> None:
    """Variables that are set for the worker are settings of it, secrets with its prefix, or Python's, pip's and OpenTelemetry's own."""
    foreign = re.compile(r"PATH|PYTHON[A-Z]+|PIP_[A-Z_]+|SECRET_[A-Z_]+|OTEL_[A-Z_]+")
    given = environment().keys() | WORKER["environment"].keys()
    assert given & KNOWN
    assert not {name for name in given - KNOWN if not foreign.fullmatch(name)}


def test_no_secret_is_written_down() -> None:
    """Neither file gives a value to a variable that holds a credential."""
    paths = {"CONNECTOR_SECRETS_DIR"}
    images = environment() | dict.fromkeys(arguments("ARG", DOCKERFILE), "")
    assert not [name for name in images if CREDENTIAL.search(name)]
    given = [
        item for service in COMPOSE["services"].values() for item in service.get("environment", {}).items()
    ]
    assert not [
        name for name, value in given if CREDENTIAL.search(name) and value is not None and name not in paths
    ]
    assert not re.search(r"sk-[A-Za-z0-9]", (ROOT / "docker-compose.yml").read_text("utf-8"))


def test_the_worker_starts_when_its_neighbours_are_ready() -> None:
    """The worker waits for engine and database where they are started too, and needs neither service."""
    neighbour = {"condition": "service_healthy", "required": False}
    assert WORKER["depends_on"] == {"zeebe": neighbour, "postgres": neighbour}
    assert all("healthcheck" in COMPOSE["services"][name] for name in WORKER["depends_on"])
    assert "/actuator/health/status" in ENGINE["healthcheck"]["test"][-1]
    assert WORKER["environment"]["ZEEBE_ADDRESS"] == "${ZEEBE_ADDRESS:-http://zeebe:26500}"
    assert re.fullmatch(r"camunda/zeebe:8\.6\.\d+", ENGINE["image"])


def test_the_worker_has_time_to_drain() -> None:
    """Compose gives the worker the default drain timeout and thirty seconds more, as the setting's text asks for."""
    drain = next(row.default for row in settings.table() if "CONNECTOR_DRAIN_TIMEOUT" in row.names)
    grace = timedelta(seconds=int(WORKER["stop_grace_period"].removesuffix("s")))
    assert grace >= parse_duration(drain) + timedelta(seconds=30)


def test_the_secrets_folder_is_mounted_where_the_worker_looks() -> None:
    """The folder of secrets is mounted, read-only, at the path that the worker is told."""
    assert WORKER["volumes"] == [f"./secrets:{WORKER['environment']['CONNECTOR_SECRETS_DIR']}:ro"]


def test_the_engines_data_survive() -> None:
    """The engine's data folder is a named volume, and its port is open on this machine alone."""
    ((name, target),) = (volume.split(":") for volume in ENGINE["volumes"])
    assert name in COMPOSE["volumes"]
    assert target == "/usr/local/zeebe/data"
    assert ENGINE["ports"] == ["127.0.0.1:26500:26500"]


def test_the_worker_alone_needs_no_other_service() -> None:
    """Without a profile the worker is all that starts; each other service belongs to one profile."""
    profiles = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}
    assert profiles == {
        "worker": None,
        "zeebe": ["zeebe"],
        "postgres": ["full"],
        "prometheus": ["full"],
        "grafana": ["full"],
        "local-model": ["local-model"],
    }


def test_every_other_image_has_a_version() -> None:
    """No image but the worker's own moves by itself."""
    images = [service["image"] for name, service in COMPOSE["services"].items() if name != "worker"]
    assert all(re.search(r":v?\d+(\.\d+)*(-alpine)?$", image) for image in images), images


def test_ports_are_open_on_this_machine_alone() -> None:
    """Nothing of the compose file, which knows no passwords, can be reached from elsewhere."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_mounted_is_there() -> None:
    """Each file of the repository that a service mounts exists, each volume is declared."""
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert source == "./secrets" or (ROOT / source).is_dir(), source
            else:
                assert source in COMPOSE["volumes"]


def test_the_image_tells_its_health_by_the_command() -> None:
    """HEALTHCHECK is in exec form, so that it needs no shell, and asks at the port that is exposed."""
    (check,) = arguments("HEALTHCHECK", FINAL)
    assert json.loads(check.split(" CMD ")[1]) == ["openai-connector", "health", "live"]
    assert arguments("EXPOSE", FINAL) == ["9898"]
    assert WORKER["ports"] == ["127.0.0.1:9898:9898"]


def test_compose_reads_the_file() -> None:
    """The file is as the Compose Specification's schema says."""
    COMPOSE_SCHEMA.validate(COMPOSE)


@pytest.mark.parametrize(
    ("service", "wrong"),
    [
        pytest.param("worker", {"stop_grace_periode": "75s"}, id="misspelt"),
        pytest.param("worker", {"ports": "127.0.0.1:9898:9898"}, id="no list"),
        pytest.param(
            "worker", {"depends_on": {"postgres": {"condition": "healthy"}}}, id="unknown condition"
        ),
        pytest.param("postgres", {"healthcheck": {"test": 5}}, id="wrong type"),
    ],
)
def test_compose_would_not_read_a_wrong_file(service: str, wrong: dict[str, Any]) -> None:
    """The schema finds keys and values that Compose refuses."""
    services = COMPOSE["services"]
    broken = {**COMPOSE, "services": {**services, service: {**services[service], **wrong}}}
    assert not COMPOSE_SCHEMA.is_valid(broken)


def hadolint(dockerfile: str) -> subprocess.CompletedProcess[str]:
    """Run hadolint; skip the test where it is not installed (never in CI)."""
    tool = Path(sys.executable).with_name("hadolint")
    if not tool.exists():
        message = "needs hadolint, which the packages for development bring to Linux"
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail(message)
        pytest.skip(message)
    return subprocess.run([tool, "-"], input=dockerfile, capture_output=True, text=True, check=False)


def test_the_dockerfile_is_well_made() -> None:
    """A linter for Dockerfiles finds nothing, and would find what is not pinned."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    found = hadolint(text)
    assert found.returncode == 0, found.stdout
    assert hadolint(text + "\nRUN apt-get install curl\n").returncode != 0
