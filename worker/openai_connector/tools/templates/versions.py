"""The version of each template, and what was in it: one small file, `versions.json`.

A diagram names the version that it was made with, so what a version holds never changes once it is released.
`versions.json` keeps a hash of each version's content; a test compares, `release.py` writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

FILE = Path(str(files(__package__).joinpath("versions.json")))
_VERSIONED = ("elementTemplateId", "elementTemplateVersion")


def recorded() -> dict[str, dict[int, str]]:
    """Read the hash of each version of each template id."""
    data = json.loads(FILE.read_text("utf-8"))
    return {
        name: {int(version): digest for version, digest in versions.items()}
        for name, versions in data.items()
    }


def current_version(template_id: str) -> int:
    """Return a template's newest version; 1 for one that has none yet."""
    return max(recorded().get(template_id, {1: ""}))


def content_hash(template: Mapping[str, Any]) -> str:
    """Hash everything of a template but its version."""
    content = {key: value for key, value in template.items() if key != "version"}
    content["properties"] = [p for p in template["properties"] if p["binding"].get("key") not in _VERSIONED]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
