"""All checks, one after the other as people read them, at the same time as they run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from openai_connector import service, wording
from openai_connector.openai_api import ApiClient, Proxies
from openai_connector.redaction import Redaction
from openai_connector.settings import Settings, idle, misspelt, name_of
from openai_connector.tasks.allowed_hosts import is_openai
from openai_connector.tools.check.api import check_api
from openai_connector.tools.check.engine import check_engine
from openai_connector.tools.check.findings import Finding, failure, masked, ok, warning
from openai_connector.tools.check.lookups import Lookups
from openai_connector.tools.check.storage import check_store
from openai_connector.tools.check.templates import check_folder

KEY_NAME = "OPENAI_API_KEY"
"""The secret that the docs' tasks name, asked where the worker has no key of its own."""
FOR_EVER: Final = timedelta(days=36500)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is checked."""

    diagrams: Path | None = None
    secret: str | None = None
    """The name of the secret that holds the tasks' key."""
    seconds: float = 10.0
    """For each step."""
    is_live: bool = False
    """Whether calls are made that cost money."""


async def check_everything(settings: Settings, asked: Asked) -> list[Finding]:
    """Return what was found; no finding holds a secret.

    Raises:
        SettingsError: a proxy, or the certificate authorities, cannot be used.
    """
    asyncio.get_running_loop().set_default_executor(Lookups())
    key, of_secret = key_of(settings, asked.secret)
    place = address_of(settings)
    redaction = Redaction([*secrets_in(settings), *([key] if key else [])])
    client = service.client_of_environment()
    try:
        engine, api, store = await asyncio.gather(
            check_engine(service.connection_of(settings), settings.tenant_ids, asked.seconds),
            check_api(client, settings.base_url, key, asked.seconds),
            _store(settings, asked.seconds),
        )
        bought = await _live(client, settings, key) if asked.is_live else []
    finally:
        await client.aclose()
    engine = [replace(one, advice=one.advice.replace("ZEEBE_ADDRESS", place)) for one in engine]
    if of_secret:  # it says already that there is no key
        api = [one for one in api if one.check != of_secret[0].check]
    found = [*_settings(settings), *of_secret, *engine, *api, *store, *bought]
    if asked.diagrams is not None:
        found += check_folder(asked.diagrams, settings.job_type, date.today())
    return [masked(finding, redaction) for finding in found]


def key_of(settings: Settings, name: str | None) -> tuple[str | None, list[Finding]]:
    """Return the key to check, and what is wrong with the secret that should hold it."""
    own = settings.api_key.get_secret_value().strip() if settings.api_key else ""
    if name is None and own:
        return own, []
    value = (service.secrets_of(settings).get(name or KEY_NAME) or "").strip()
    if value and value.isascii() and value.isprintable():
        return value, []
    if name is None and not value:
        return None, []
    problem = (
        "cannot be a key: it has other than plain letters, digits and signs" if value else "is not there"
    )
    place = f"{settings.secret_prefix}{name or KEY_NAME}, or a file of its name in CONNECTOR_SECRETS_DIR"
    return None, [failure("api-key", f"The secret {name or KEY_NAME} {problem}", f"Set {place}")]


def address_of(settings: Settings) -> str:
    """Return the names of the settings that say where the engine is."""
    if settings.cluster_id:
        return f"{name_of('cluster_id')} and {name_of('cluster_region')}"
    return name_of("zeebe_address")


def secrets_in(settings: Settings) -> Iterator[str]:
    """Yield what must not be shown."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
            yield from _password(value.get_secret_value())
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy"):
            yield from _password(value)
        elif settings.secret_prefix and name.startswith(settings.secret_prefix):
            yield value
    yield from _password(settings.base_url)
    yield from _password(settings.authorization_server_url or "")


def _password(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _settings(settings: Settings) -> Iterator[Finding]:
    problems = list(_unwise(settings))
    yield from problems
    if not problems:
        yield ok("settings", "The settings can be used")


def _unwise(settings: Settings) -> Iterator[Finding]:
    for name, setting in misspelt(settings):
        yield warning("settings", f"{name} is not a setting and has no effect", f"Is {setting} meant?")
    for name, needed in idle(settings):
        yield warning(
            "settings", f"{name} has no effect: {needed} is not set", f"Set {needed}, or remove {name}"
        )
    if not settings.secret_prefix:
        message = "CONNECTOR_SECRET_PREFIX is empty: any diagram may read every environment variable"
        yield warning("settings", message, "Set it, and name the secrets' variables so")
    for entry in Proxies.of(os.environ).not_understood:
        yield warning("settings", wording.NO_PROXY_ENTRY(entry=entry), "Correct NO_PROXY")


async def _live(client: ApiClient, settings: Settings, key: str | None) -> list[Finding]:
    from openai_connector.tools.check.live import Caller, ask_everything  # only where it is asked

    if key is None or not is_openai(settings.base_url):
        advice = "Set OPENAI_API_KEY (or --secret NAME), and OPENAI_BASE_URL to OpenAI's own or to nothing"
        return [failure("live", "Nothing was asked: that needs OpenAI itself, and a key", advice)]
    return await ask_everything(Caller(client, settings.base_url, key))


async def _store(settings: Settings, seconds: float) -> list[Finding]:
    if settings.store is None:
        return [ok("store", "No store is set: answers of a worker that is killed are paid for again")]
    patience = timedelta(seconds=seconds * 0.9)  # of one of its steps; what it knows is said before the end
    # Whoever checks may have another retention than the workers: what they keep is theirs to remove.
    keeping = settings.model_copy(update={"store_retention": FOR_EVER})
    return await check_store(lambda tell: service.store_of(keeping, tell, patience=patience), seconds)
