"""Whose limits a call counts against: the credential, the host and the model that it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
    parts = urlsplit(url)
    digest = hashlib.sha256()
    lower = {name.lower(): value for name, value in headers.items()}
    for name in _CREDENTIALS:
        digest.update(lower.get(name, "").encode("utf-8", "replace") + b"\n")
    digest.update(parts.query.encode("utf-8", "replace"))
    host = parts.netloc.rpartition("@")[2].lower()
    return Key(digest.hexdigest()[:16], host, model or parts.path)
