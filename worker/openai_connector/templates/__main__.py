"""`python -m openai_connector.templates --output element-templates`."""

from __future__ import annotations

import argparse
import sys

from openai_connector.templates.command import add_arguments, run

parser = argparse.ArgumentParser(prog="python -m openai_connector.templates", description="Write the element templates")
add_arguments(parser)
sys.exit(run(parser.parse_args()))
