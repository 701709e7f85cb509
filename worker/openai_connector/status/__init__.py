"""What the worker tells of itself by HTTP: health, metrics, status, and a page for people.

Names, keys, codes and numbers: never the content of a job, an answer or a message, and no secret.
"""

from __future__ import annotations

from openai_connector.status.board import Board
from openai_connector.status.endpoint import Endpoint
from openai_connector.status.parts import HeldKey, Parts

__all__ = ["Board", "Endpoint", "HeldKey", "Parts"]
