"""The names by which the endpoint may be asked."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from typing import Final

NEVER_PUBLIC: Final = (".localhost", ".local", ".internal", ".svc")
"""Ends of names that nobody can register; Kubernetes' are `.svc` and `.svc.cluster.local`."""
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.~!$&'()*+,;=%-]*))(?::\d*)?", re.ASCII)
_NAME: Final = re.compile(r"\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*\.?", re.ASCII)


class Names:
    """Know a name that a stranger's page cannot have.

    The owner of a public name can give it this machine's address (DNS rebinding), and a browser then lets
    pages of that name read what is served here. So no public name is answered but those that are given.

    Args:
        more: names; `*.example.com` stands for all below it, `*` for any.
        own: the name of this machine; None: as the system has it.

    Raises:
        ValueError: one of them is no name.
    """

    def __init__(self, more: Iterable[str] = (), own: str | None = None) -> None:
        given = {name.lower().removesuffix(".") for name in more}
        for name in given:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: without scheme, port and path")
        self._any = "*" in given
        self._ends = (*NEVER_PUBLIC, *(name[1:] for name in given if name.startswith("*.")))
        self._names = given | {(socket.gethostname() if own is None else own).lower()}

    def has(self, host: str) -> bool:
        """Check the value of a Host header.

        Raises:
            ValueError: it is no such value.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            raise ValueError("no host")
        name = (found[1] or found[2]).lower().removesuffix(".")
        is_given = self._any or name in self._names or name.endswith(self._ends)
        return bool(name) and (is_given or "." not in name or _is_address(name))


def reason_of(error: Exception) -> str:
    """Return in a few words why there is nothing at a host and port."""
    if isinstance(error, UnicodeError):  # of IDNA: an empty label, or one of more than 63 letters
        return "this can be no name of a host"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)  # asyncio writes a sentence of its own around it
    return getattr(error, "strerror", None) or type(error).__name__  # of the resolver


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
