"""The models that a modeler may choose from, and those that are shut down: read from `models.json`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

_DATA: dict[str, Any] = json.loads(files(__package__).joinpath("models.json").read_text("utf-8"))

DEFAULT_CHAT_MODEL: str = _DATA["default"]
CHAT_MODEL_CHOICES: dict[str, str] = {
    model["id"]: f"{model['id']} ({model['note']})" if "note" in model else model["id"] for model in _DATA["chat"]
}
