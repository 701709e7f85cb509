"""Element templates for Camunda Modeler, generated from the operations' input models.

The label, description, pattern, default and condition of an input stand once, in `openai_connector.operations`;
`panel` adds what every task has (job type, retries, output mapping), `variants` says which templates there are.
"""

from __future__ import annotations

from openai_connector.templates.command import add_arguments, add_job_type, run, write_all
from openai_connector.templates.generator import JOB_TYPE, render, text
from openai_connector.templates.variants import VARIANTS, Variant

__all__ = ["JOB_TYPE", "VARIANTS", "Variant", "add_arguments", "add_job_type", "render", "run", "text", "write_all"]
