"""Which API the worker asks, and the environment that its settings are read from."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai_connector.tasks.allowed_hosts import host_of

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-6-luna"
DEMO_KEY = "demo"
"""The small model's API key: it answers 401 to any other, so the secret must really reach it."""
NO_KEY = "none"
"""Sent to a compatible API for which no key is given: diagrams name the secret, so it must exist."""
KEY_VARIABLE = "OPENAI_API_KEY"
"""The worker's own key, and the secret that the element templates name."""
OTHER_ENGINES = ("ZEEBE_", "CAMUNDA_")
"""Prefixes of the variables for an engine's address, credentials and tenants."""
DRAIN_TIMEOUT = "PT5S"
"""How long running calls may take to end when the sandbox is ended, unless the environment says otherwise."""


@dataclass(frozen=True, slots=True)
class Api:
    """An OpenAI-compatible API."""

    base_url: str
    key: str = field(repr=False)
    """Empty where the environment has the secret that tasks name, and nothing else."""
    is_small_model: bool = False


def chosen_api(environment: Mapping[str, str], base_url: str | None) -> Api | None:
    """Return the API that a key or an address in the environment stands for; None means the small model."""
    key = environment.get(KEY_VARIABLE, "").strip()
    url = base_url or environment.get("OPENAI_BASE_URL", "").strip()
    if _has_secret(environment):
        return Api(url or OPENAI_URL, key)
    return Api(url or OPENAI_URL, key or NO_KEY) if url or key else None


def prepare(environment: MutableMapping[str, str], api: Api, zeebe: str) -> None:
    """Set the worker's engine and API in the environment; its other settings stay."""
    for name in [name for name in environment if name.upper().startswith(OTHER_ENGINES)]:
        del environment[name]
    environment["ZEEBE_ADDRESS"] = f"http://{zeebe}"
    environment["OPENAI_BASE_URL"] = api.base_url
    environment.setdefault("CONNECTOR_DRAIN_TIMEOUT", DRAIN_TIMEOUT)
    if api.is_small_model:
        environment[KEY_VARIABLE] = api.key
    if api.key and (api.is_small_model or not _has_secret(environment)):
        environment[_secret_variable(environment)] = api.key


def reach_this_machine_directly() -> None:
    """Exclude this machine from the environment's proxies; gRPC too reads the variables in small letters."""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(
        filter(None, (excepted, "127.0.0.1,localhost"))
    )


def _secret_variable(environment: Mapping[str, str]) -> str:
    return environment.get("CONNECTOR_SECRET_PREFIX", "SECRET_") + KEY_VARIABLE


def _has_secret(environment: Mapping[str, str]) -> bool:
    variable = _secret_variable(environment)
    if variable != KEY_VARIABLE and environment.get(variable, "").strip():
        return True
    folder = environment.get("CONNECTOR_SECRETS_DIR", "")
    return bool(folder) and (Path(folder) / KEY_VARIABLE).is_file()


def read_url(text: str) -> str:
    """Read the address of an API."""
    if not host_of(text):
        raise argparse.ArgumentTypeError(f"must be a URL such as {OPENAI_URL}")
    return text


def add_arguments(parser: Any) -> None:
    """Add the options that choose the API."""
    parser.add_argument(
        "--api-base-url",
        type=read_url,
        metavar="URL",
        help="ask this OpenAI-compatible API (key: OPENAI_API_KEY); default: OPENAI_BASE_URL, with a key in "
        f"OPENAI_API_KEY or SECRET_OPENAI_API_KEY {OPENAI_URL}, else a small model on this machine",
    )
