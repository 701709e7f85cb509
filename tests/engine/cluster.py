"""A running cluster in the place of an engine of our own: `ZEEBE_ADDRESS=host:port make engine`.

What gRPC alone does not show is skipped with a reason, and the summary counts it: a skip is no conformance.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from openai_connector.tools.demo.engine import Engine, add_to_clock

ADDRESS = os.environ.get("ZEEBE_ADDRESS", "").strip()
"""`host:port` of a cluster for tests alone, without TLS and authentication; empty: an engine of our own."""
MANAGEMENT_URL = os.environ.get("ZEEBE_MANAGEMENT_URL", "").strip().rstrip("/")
"""Of a cluster with ZEEBE_CLOCK_CONTROLLED=true, such as http://localhost:9600."""
RECORDS_LOG = os.environ.get("ZEEBE_RECORDS_LOG", "").strip()
"""The log file to which the cluster's debug exporter writes."""

OUTSIDE = "From outside, a cluster"
"""How the reason of each of these skips begins."""
NO_RECORDS = f"{OUTSIDE} does not show its records: name the debug exporter's log in ZEEBE_RECORDS_LOG."
NO_CLOCK = f"{OUTSIDE}'s clock cannot be moved: name its management API in ZEEBE_MANAGEMENT_URL."
NO_PROCESS = f"{OUTSIDE} is neither killed nor frozen."
FOLDERS = ("tests/engine/", "tests/faults/")


class Cluster(Engine):
    """An engine that runs already: nobody here starts or ends it."""

    def __init__(self) -> None:
        """Read where it is from the environment."""
        super().__init__(folder=Path(RECORDS_LOG).parent if RECORDS_LOG else None)
        self.address = address_of(ADDRESS)
        self.management_url = MANAGEMENT_URL

    @property
    def log(self) -> Path:
        """The debug exporter's log."""
        return Path(RECORDS_LOG)

    @property
    def running(self) -> bool:
        """Whether the cluster runs: it is taken for granted."""
        return True

    def start(self) -> None:
        """Leave the cluster as it is."""

    def close(self) -> None:
        """Leave the cluster as it is."""

    def advance(self, by: timedelta) -> None:
        """Put the cluster's clock forward."""
        add_to_clock(self.management_url, by)


def address_of(text: str) -> str:
    """Return host and port of an address or URL without TLS.

    Raises:
        pytest.UsageError: it is another.
    """
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "grpc") or not parts.hostname:
        raise pytest.UsageError(
            f"ZEEBE_ADDRESS must be host:port or http://host:port of a cluster without TLS, got '{text}'."
        )
    return f"{parts.hostname}:{parts.port or 26500}"


def summary(reports: Iterable[Any]) -> str | None:
    """Count the engine tests that were skipped because a cluster is seen from outside only.

    None: there was none.
    """
    ran: set[str] = set()
    skipped: set[str] = set()
    for report in reports:
        if report.nodeid.startswith(FOLDERS):
            ran.add(report.nodeid)
            if report.skipped and isinstance(report.longrepr, tuple) and OUTSIDE in report.longrepr[2]:
                skipped.add(report.nodeid)
    if not skipped:
        return None
    return (
        f"{len(skipped)} of {len(ran)} engine tests were skipped: "
        "what they look at cannot be seen or moved from outside"
    )
