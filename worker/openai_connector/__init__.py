"""Camunda 8 outbound connector job worker for OpenAI and OpenAI-compatible APIs."""

from __future__ import annotations

__version__ = "0.1.0"
