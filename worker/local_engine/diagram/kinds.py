"""Kinds of elements, grouped by what they have in common."""

from __future__ import annotations

from typing import Final

from local_engine.diagram.model import Kind

EVENTS: Final = frozenset(
    {Kind.START_EVENT, Kind.END_EVENT, Kind.CATCH_EVENT, Kind.THROW_EVENT, Kind.BOUNDARY_EVENT},
)
GATEWAYS: Final = frozenset(
    {Kind.EXCLUSIVE_GATEWAY, Kind.PARALLEL_GATEWAY, Kind.INCLUSIVE_GATEWAY, Kind.EVENT_BASED_GATEWAY},
)
DECIDING: Final = frozenset({Kind.EXCLUSIVE_GATEWAY, Kind.INCLUSIVE_GATEWAY})
"""Gateways whose flows may have conditions."""
SCOPES: Final = frozenset({Kind.PROCESS, Kind.SUB_PROCESS, Kind.EVENT_SUB_PROCESS})
"""Kinds that contain other elements."""
