"""Checking the connector tasks of a diagram before they run, by the worker's own code where it has the rule.

A literal goes through the same checks as at run time. Of an expression, the syntax is checked, and its value
where it reads no variable. What only the process knows is assumed to be right.

Where each rule is:

- `inputs`: no-source, mapped-twice, feel-syntax, gives-null, unknown-input, unused-input, literal-key,
  misplaced-secret, and bad-input of job type and Retries
- `results`: bad-header, header-twice, lost-result, no-context, gives-null
- `names`: unseen-variable, unknown-key, unknown-function, never-true, header-name
- `error_expression`: bad-error-expression, acts-on-success, gives-null
- `request`: bad-input of everything else, temperature-and-top-p
- `models`: model-shutdown, unknown-model, refused-parameter
- `response_format`: json-not-said, bad-schema-name, loose-schema
- `rules`: not-migratable, looks-like, and which tasks are checked by which rules
"""

from openai_connector.tools.diagrams.lint.rules import check, check_task
from openai_connector.tools.diagrams.lint.subject import Finding, Severity

__all__ = ["Finding", "Severity", "check", "check_task"]
