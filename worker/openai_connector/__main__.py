"""`python -m openai_connector` is the command `openai-connector`."""

from __future__ import annotations

import sys

from openai_connector.cli import main

if __name__ == "__main__":
    sys.exit(main())
