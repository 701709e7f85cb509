"""The life of a template: a diagram made with one version is updated to the next."""

from __future__ import annotations

import copy

from tests.modeler.front_end import Modeler
from tests.modeler.test_templates import SETTLED, applied, fill, in_both, template_of, written

FILE = "openai-connector.json"


@in_both
def test_values_survive_an_update(modeler: Modeler, front_end: str) -> None:
    """Pressing Update on a filled task keeps every value, though labels, defaults and fields have changed."""
    old = applied(modeler, front_end, FILE)
    modeler.choice("Model", "Custom")
    modeler.choice("Response format", "JSON that follows a schema")
    given = {"openai_model": "custom", "openai_responseFormat": "json_schema"}
    modeler.fill("Custom model version", "ft:model")
    modeler.fill("Temperature", "0.7")
    modeler.feel("Top P", "topP")
    modeler.feel("Result expression", "{text: response.output.text}")
    modeler.fill("Retry backoff", "PT1M")
    given |= {"openai_customModel": "ft:model", "openai_temperature": "0.7", "openai_topP": "=topP"}
    given |= {"resultExpression": "={text: response.output.text}", "retryBackoff": "PT1M"}
    given = fill(modeler, old, given, required_only=True)
    new = copy.deepcopy(template_of(FILE))
    new["version"] = old["version"] + 1
    for prop in new["properties"]:
        key = prop["binding"].get("name") or prop["binding"].get("key")
        if key == "elementTemplateVersion":
            prop["value"] = str(new["version"])
        elif key == "openai_prompt":
            prop |= {"label": "Question", "id": "question"}
        elif key == "retryBackoff":
            prop["value"] = "PT10S"
        elif key == "openai_topP":
            prop["group"] = "model"
    added = {"id": "added", "label": "Added", "type": "String", "group": "model", "value": "new"}
    new["properties"].append(added | {"binding": {"type": "zeebe:input", "name": "openai_added"}})
    assert modeler.open(front_end, modeler.xml(), old, new) == []
    modeler.select("Ask")
    modeler.press_update()
    after = written(modeler.xml())
    assert given.items() <= after.items()
    assert after["elementTemplateVersion"] == str(new["version"])
    assert after["openai_added"] == "new"
    modeler.pause(
        SETTLED
    )  # the 8.5-era panel shows a moment long the error of the field that stood there before
    assert modeler.errors() == []
