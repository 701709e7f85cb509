"""Writing the templates to a folder: the command `openai-connector templates`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from openai_connector.tools.templates import JOB_TYPE, write_all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--output` and `--job-type`."""
    parser.epilog = """\
examples:
  openai-connector templates --output ~/.config/camunda-modeler/resources/element-templates
  openai-connector templates --output element-templates --job-type team-a:1

exit status: 0, 1 when they cannot be written, 2 for wrong use."""
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder to write the templates to"
    )
    add_job_type(parser, "job type of the tasks")


def add_job_type(parser: argparse.ArgumentParser, about: str) -> None:
    """Add `--job-type`, which is this connector's unless given."""
    parser.add_argument(
        "--job-type",
        type=_read_job_type,
        default=JOB_TYPE,
        metavar="TYPE",
        help=f"{about} (default: %(default)s)",
    )


def _read_job_type(text: str) -> str:
    """Read a job type of the command line.

    Raises:
        ArgumentTypeError: it is empty or cannot be written to a file.
    """
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("must be a text such as acme-ai:1")
    return text.strip()


def run(arguments: argparse.Namespace) -> int:
    """Write the templates and name each file; the value is the exit status."""
    try:
        written = write_all(arguments.output, arguments.job_type)
    except OSError as error:
        print(f"openai-connector templates: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0
