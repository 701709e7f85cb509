"""The API: reachable, the key valid, the models there, the clock right. No tokens are bought."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from openai_connector.openai_api import ApiClient, ApiError, ApiResponse
from openai_connector.tasks.allowed_hosts import is_openai, pattern_of
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES, CHECKED, shutdown_of
from openai_connector.tools.check.findings import Finding, failure, ok, warning

LATE: Final = timedelta(seconds=30)
"""From here on, `Retry-After` dates are misread."""
TOO_LATE: Final = timedelta(minutes=5)
"""From here on, tokens and certificates are refused."""
NO_MODELS: Final = (404, 405, 501)
_ADVICE: Final = {
    "tls_issuer": "Give its authority in SSL_CERT_FILE",
    "tls": "Check scheme, host and port of OPENAI_BASE_URL, the certificate there, and this machine's clock",
    "proxy_password": "Correct user name and password in HTTPS_PROXY",
    "407": "Give user name and password in HTTPS_PROXY",
    "no_tunnel": "Have the proxy (HTTPS_PROXY) let the worker through to the API",
    "no_connection": "Check OPENAI_BASE_URL, DNS, firewall, and HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
    "timeout": "Check that the API is up, and that no firewall is in the way; --timeout gives it longer",
    "broken": "Check scheme and port in OPENAI_BASE_URL, and proxies before the API; then try again",
}


async def check_api(
    client: ApiClient,
    base_url: str,
    key: str | None,
    seconds: float,
    *,
    now: Callable[[], float] = time.time,
) -> list[Finding]:
    """Ask for the list of models: every key may, nothing is paid."""
    address = pattern_of(base_url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    begun = now()
    try:
        response = await client.send(
            "GET", _models(base_url), body=None, headers=headers, timeout=timedelta(seconds=seconds)
        )
    except ApiError as error:
        return [_no_answer(error, address)]
    half_way = (begun + now()) / 2
    return [
        *_answer(response, base_url, key),
        *_clock(response, half_way),
        *_models_there(response, base_url),
    ]


def _no_answer(error: ApiError, address: str) -> Finding:
    """Return why there is no answer; what a call may have cost is left out, for this one costs nothing."""
    fact = str(error).rpartition("; ")[0] or str(error)
    if error.response is None:
        return failure("api", f"{address}: {fact}", _ADVICE.get(error.reason, "Check OPENAI_BASE_URL"))
    advice = f"Check that {address} is an API of OpenAI's shape, and OPENAI_BASE_URL with scheme and path"
    return failure("api", f"{address} gives an answer that cannot be read: {fact}", advice)


def _models(base_url: str) -> str:
    path, separator, query = base_url.partition("?")
    return f"{path.rstrip('/')}/models{separator}{query}"


def _answer(response: ApiResponse, base_url: str, key: str | None) -> Iterator[Finding]:
    status, address = response.status, pattern_of(base_url)
    if status == 407:
        yield failure("api", f"The proxy before {address} wants a password", _ADVICE["407"])
    elif status == 429 or (status >= 500 and status not in NO_MODELS):
        advice = "Try again later; if it stays, look at the API's status page and at proxies before it"
        yield warning("api", f"{address} answers with the status {status}", advice)
    elif status in NO_MODELS or (status < 300 and not _is_list(response)):
        yield from _unlisted(response, base_url)
    elif 300 <= status < 400:
        advice = "Set OPENAI_BASE_URL to the address itself: the worker follows no redirects"
        yield failure("api", f"{address} answers with the status {status}, which leads elsewhere", advice)
    elif status == 403 and not isinstance(response.body, dict):
        message = f"{address} answers with the status {status}, and not as an API does ({_kind(response)})"
        advice = "Look whether a firewall or proxy refuses the worker, and at OPENAI_BASE_URL with its path"
        yield failure("api", message, advice)
    elif status >= 400 and status not in (401, 403):
        yield failure("api", f"{address} answers with the status {status}", "Check OPENAI_BASE_URL")
    else:
        yield ok("api", f"{address} answers")
        yield _key(status, key)


def _is_list(response: ApiResponse) -> bool:
    body = response.body
    return isinstance(body, list) or (isinstance(body, dict) and isinstance(body.get("data"), list))


def _kind(response: ApiResponse) -> str:
    return response.header("content-type").partition(";")[0].strip()[:60] or "without a content type"


def _unlisted(response: ApiResponse, base_url: str) -> Iterator[Finding]:
    """Yield that there is no list of models: OpenAI itself has one, other servers need not."""
    address = pattern_of(base_url)
    what = f"status {response.status}" + (f", {_kind(response)}" if response.status < 300 else "")
    if is_openai(base_url):
        advice = "Correct the path in OPENAI_BASE_URL (/v1), or look what answers in OpenAI's place: a proxy?"
        yield failure("api", f"{address} lists no models ({what}), which OpenAI does", advice)
        return
    yield ok("api", f"{address} answers")
    yield warning(
        "api-key", f"{address} lists no models ({what}): the key was not checked",
        "Check the path in OPENAI_BASE_URL; nothing else, if this server has no list of models",
    )  # fmt: skip


def _key(status: int, key: str | None) -> Finding:
    if key is None:
        advice = "Set OPENAI_API_KEY, or name the secret of the tasks' key: --secret NAME"
        message = "There is no key to check; each task must give one"
        return ok("api-key", "The API wants no key") if status < 300 else warning("api-key", message, advice)
    if status == 401:
        return failure(
            "api-key", "The API does not know the key (status 401)", "Renew the key, or correct it"
        )
    if status == 403:
        message = "The key may not list models (status 403); it may still be one for chats"
        return warning("api-key", message, "Give the key the permission to list models, or try a task")
    return ok("api-key", "The API knows the key")


def _clock(response: ApiResponse, at: float) -> Iterator[Finding]:
    try:
        said = parsedate_to_datetime(response.header("date"))
    except ValueError:
        return
    off = datetime.fromtimestamp(at, UTC) - (said if said.tzinfo else said.replace(tzinfo=UTC))
    seconds = off.total_seconds()
    message = (
        f"This machine's clock is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'} of the API's"
    )
    advice = "Set the clock by NTP (chrony, systemd-timesyncd)"
    if abs(off) >= TOO_LATE:
        yield failure("clock", message, advice)
    elif abs(off) >= LATE:
        yield warning("clock", message, advice)
    else:
        yield ok("clock", "This machine's clock is right")


def _models_there(response: ApiResponse, base_url: str) -> Iterator[Finding]:
    """Compare the models that templates offer with the API's, where it is OpenAI's."""
    today = date.today()
    for name in CHAT_MODEL_CHOICES:
        shutdown = shutdown_of(name)
        if shutdown is not None and shutdown.day <= today:
            sentence = shutdown.sentence(today)
            yield warning("models", f"A template offers it, but {sentence}", "Renew worker and templates")
    body = response.body
    if response.status >= 300 or not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return
    listed = [one for one in body["data"] if isinstance(one, dict) and isinstance(one.get("id"), str)]
    there = {one["id"] for one in listed}
    if not is_openai(base_url):
        yield ok("models", f"The API has {len(there)} models; those of the templates are OpenAI's")
        return
    for one in listed:
        if one["id"] in CHAT_MODEL_CHOICES and isinstance(one.get("shutdown_date"), str):
            message = f"The API shuts {one['id']} down on {one['shutdown_date'][:10]}"
            yield warning("models", message, "Choose another in the diagrams that ask it, before that day")
    missing = [name for name in CHAT_MODEL_CHOICES if name not in there]
    if missing:
        advice = "Choose others in diagrams, or have them opened to the key's project"
        yield warning("models", f"Not open to this key, or gone: {', '.join(missing)}", advice)
    else:
        yield ok("models", f"All models of the templates (of {CHECKED}) are open to the key")
