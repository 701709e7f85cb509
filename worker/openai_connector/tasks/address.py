"""Where a request goes: an address with its secrets in place, whose host is allowed.

The host decides who gets the key. It is checked before any other secret is resolved: where it is written out,
before this address's own secrets too; where a secret is in it, right after those.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from openai_connector import wording
from openai_connector.contract import AZURE_API_VERSION, AZURE_DEPLOYMENT, AZURE_RESOURCE, BASE_URL
from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.operations import Endpoint, InvalidInputsError
from openai_connector.tasks.operations.endpoint import is_resource
from openai_connector.tasks.secrets import SecretProvider, filled, is_placeholder, names_in, resolve

_MARK = "secret"
_WITH_HOST = re.compile(r"[^:/?#\\]+://[^/?#\\]*[/?#\\]")


@dataclass(frozen=True, slots=True)
class Address:
    """The API's address, in its two parts around an operation's path."""

    base_url: str
    query: str = ""

    def of(self, path: str) -> str:
        """Return the URL of an operation."""
        return self.base_url.rstrip("/") + path + self.query


def address_of(
    endpoint: Endpoint, default_base_url: str, hosts: AllowedHosts, secrets: SecretProvider
) -> Address:
    """Return the address that a task asks.

    Raises:
        HostRefusedError: its host is not allowed.
        InvalidInputsError: a secret does not hold the name of an Azure resource.
        SecretError: a secret is missing.
    """
    if endpoint.azure_resource is not None:
        return _azure_address(endpoint, hosts, secrets)
    if endpoint.base_url is None:
        hosts.check(default_base_url, label="OPENAI_BASE_URL")
        return Address(default_base_url)

    def check(url: str, is_secret: bool) -> None:
        hosts.check(url, label=BASE_URL.label, is_secret=is_secret)

    return Address(resolved_url(endpoint.base_url, secrets, label=BASE_URL.label, check=check))


def resolved_url(
    text: str, secrets: SecretProvider, *, label: str, check: Callable[[str, bool], None]
) -> str:
    """Return a URL with its secrets in place.

    Args:
        text: the whole of it, or any part, may be a secret.
        secrets: where they come from.
        label: what messages call it.
        check: refuses a URL whose host is not allowed, and is told whether it holds a secret.

    Raises:
        HostRefusedError: its host is not allowed.
        SecretError: a secret is missing.
    """
    if not names_in(text):
        check(text, False)
        return text
    if not _is_host_secret(text):
        check(filled(text, lambda _: _MARK), False)
    resolved = resolve(text, secrets, label=label).strip()
    if resolved != text:
        check(resolved, True)
    return resolved


def _is_host_secret(text: str) -> bool:
    """Check whether a secret decides about the host: it stands before the slash that ends the host."""
    before, mark, _ = filled(text, lambda _: "\0").partition("\0")
    return is_placeholder(text) or (bool(mark) and _WITH_HOST.match(before) is None)


def _azure_address(endpoint: Endpoint, hosts: AllowedHosts, secrets: SecretProvider) -> Address:
    given = endpoint.azure_resource or ""
    resource = resolve(given, secrets, label=AZURE_RESOURCE.label).strip()
    if not is_resource(resource):
        raise InvalidInputsError([f"{AZURE_RESOURCE.label} {wording.AZURE_RESOURCE()}"])
    host = f"https://{resource}.openai.azure.com"
    hosts.check(host, label=AZURE_RESOURCE.label, is_secret=resource != given)
    deployment = resolve(endpoint.azure_deployment or "", secrets, label=AZURE_DEPLOYMENT.label).strip()
    version = resolve(endpoint.azure_api_version or "", secrets, label=AZURE_API_VERSION.label).strip()
    return Address(f"{host}/openai/deployments/{quoted(deployment)}", f"?api-version={quoted(version)}")


def quoted(text: str) -> str:
    """Return a text as one part of a path or a query."""
    return quote(text, safe="", errors="replace")
