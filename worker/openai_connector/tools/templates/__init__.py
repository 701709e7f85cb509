"""Element templates for Camunda Modeler, generated from the operations' input models.

The label, description, pattern, default and condition of an input stand once, in
`openai_connector.tasks.operations`; `panel` adds what every task has (job type, retries, output mapping),
`variants` says which templates there are.
"""

from __future__ import annotations

from openai_connector.tools.templates.generator import JOB_TYPE, render, text, write_all
from openai_connector.tools.templates.variants import VARIANTS, Variant

__all__ = ["JOB_TYPE", "VARIANTS", "Variant", "render", "text", "write_all"]
