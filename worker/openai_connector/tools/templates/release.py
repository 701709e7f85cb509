"""Record the present content of the templates in `versions.json`; then run `make templates`.

python -m openai_connector.tools.templates.release amend  # the newest version is not released yet
python -m openai_connector.tools.templates.release raise  # it is: a new version of each that changed
"""

from __future__ import annotations

import json
import sys

from openai_connector.tools.templates.generator import render
from openai_connector.tools.templates.variants import VARIANTS
from openai_connector.tools.templates.versions import FILE, content_hash, recorded


def main(arguments: list[str]) -> int:
    """Do what is asked; the value is the exit status."""
    if arguments not in (["amend"], ["raise"]):
        print(__doc__)
        return 2
    versions = recorded()
    for variant in VARIANTS:
        digest = content_hash(render(variant))
        known = versions.setdefault(variant.id, {})
        newest = max(known, default=1)
        if arguments == ["raise"] and known.get(newest, digest) != digest:
            newest += 1
        known[newest] = digest
    FILE.write_text(json.dumps(versions, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
