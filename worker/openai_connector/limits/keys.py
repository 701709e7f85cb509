"""Whose limits a call counts against: the credential, the host and the model that it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_CREDENTIALS: Final = ("authorization", "api-key", "x-api-key", "openai-organization", "openai-project")


class Key(NamedTuple):
    """What shares one rate limit."""

    credential: str
    """A fingerprint, from which the credential cannot be found."""
    host: str
    """With its port, where one is given."""
    model: str


def key_of(url: str, headers: Mapping[str, str], model: str) -> Key:
    """Return whose limits a request counts against.

    Args:
        url: of the request; where no model is named, its path stands for the model (Azure's deployments), and
            its query counts as a credential (some gateways want the key there).
        headers: of the request.
        model: that is asked, or nothing.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    return _key(url, tuple(lower.get(name, "") for name in _CREDENTIALS), model)


@lru_cache(maxsize=1000)
def _key(url: str, credentials: tuple[str, ...], model: str) -> Key:
    """Return a key once for all jobs that share it."""
    parts = urlsplit(url)
    digest = hashlib.sha256()
    for credential in credentials:
        digest.update(credential.encode("utf-8", "replace") + b"\n")
    digest.update(parts.query.encode("utf-8", "replace"))
    host = parts.netloc.rpartition("@")[2].lower()
    return Key(digest.hexdigest()[:16], host, model or parts.path)
