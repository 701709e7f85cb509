"""Tasks of Camunda's own OpenAI templates, translated to this connector's inputs.

Those templates are made over the general REST connector: their input mappings build a URL, headers and a
body. To learn what such a task asks, its own mappings are evaluated, with a mark in place of each value that
a person fills in. If the request is the one that this connector would build, the values can be carried over.
If somebody changed the mappings by hand, the request differs, and the task stays as it is.

- `templates`: the two templates, and this connector's input for each of theirs
- `request`: the request that a task makes, and what must be true of it
- `openai_template`, `azure_template`: carrying the inputs of each template over
- `refusals`: what else stands against it
- `carrying`: all of it for one task
"""

from openai_connector.tools.diagrams.camunda.carried import Carried, NotCarriedError
from openai_connector.tools.diagrams.camunda.carrying import carry
from openai_connector.tools.diagrams.camunda.templates import LABELS, likeness_of, template_of

__all__ = ["LABELS", "Carried", "NotCarriedError", "carry", "likeness_of", "template_of"]
