"""The commands of `openai-connector`, one module each, with its `add_arguments` and `run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("Work on jobs until SIGTERM or Ctrl-C.", "run"),
    "health": ("Ask the worker on this machine whether it is well.", "health"),
    "demo": ("Run a small process end to end: engine, real small model, no key needed.", "demo"),
    "sandbox": ("Run an engine, a worker and a page on this machine, to try diagrams.", "sandbox"),
    "try": ("Run one process instance to its end, step by step.", "try_diagram"),
    "evaluate": ("Try FEEL, result and error expressions without a cluster.", "evaluate"),
    "check": ("Check settings, engine, API and store before the worker runs.", "check"),
    "costs": ("Tell what calls cost, by day, process, element, model or tenant.", "costs"),
    "lint": ("Check the connector tasks of diagrams before they run.", "lint"),
    "migrate": ("Move a diagram made with Camunda's own OpenAI template over to this connector.", "migrate"),
    "completion": ("Write what a shell needs to complete this command.", "completion"),
    "templates": ("Write the element templates for Camunda Modeler.", "templates"),
}
"""What a command does, and its module. Nothing is imported here: start-up time is a feature."""
