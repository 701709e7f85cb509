"""Alert rules and dashboard ask for metrics and labels that the worker has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from openai_connector.observe.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "openai-connector.json").read_text("utf-8"))
QUERIES = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
METRIC = re.compile(r"\b(?:openai_connector|gen_ai_client|camunda_connector|process)_\w+")
SCRAPED = {"instance", "job"}
"""Labels that Prometheus adds."""


def samples() -> dict[str, set[str]]:
    """Return the names of all samples, with their labels."""
    found: dict[str, set[str]] = {}
    for series in Metrics().all():
        names = [series.name]
        if series.kind == "histogram":
            names = [f"{series.name}_{end}" for end in ("bucket", "sum", "count")]
        for name in names:
            found[name] = {*series.labels, *(("le",) if name.endswith("_bucket") else ())}
    return found


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_names_metrics_and_labels_that_there_are(query: str) -> None:
    """Each metric exists, and each label that is compared or summed by is one of theirs."""
    known = samples()
    named = set(METRIC.findall(query)) - set(re.findall(r"\w+(?=\s*[=!]~?\s*\")", query))
    named = {name for name in named if not name.startswith("gen_ai_request")}
    assert named
    assert named <= known.keys()
    labels = set(re.findall(r"(\w+)\s*[=!]~?\s*\"", query))
    labels |= {
        label.strip()
        for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query)
        for label in group.split(",")
    }
    assert labels <= SCRAPED.union(*(known[name] for name in named))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_is_wrong(rule: dict[str, Any]) -> None:
    """Each alert has a severity, a summary and a description, and labels in them that it keeps."""
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description"} == rule["annotations"].keys()


def test_panels_do_not_overlap() -> None:
    """Each panel of the dashboard has a place and an id of its own."""
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(places) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def kept(given: Any, read: Any) -> Any:
    """Return of what was read all that stands at a place that was given."""
    if isinstance(given, dict) and isinstance(read, dict):
        return {name: kept(value, read[name]) for name, value in given.items() if name in read}
    if isinstance(given, list) and isinstance(read, list):
        return [kept(*pair) for pair in zip(given, read, strict=True)]
    return read


def test_grafana_knows_all_that_the_dashboard_says() -> None:
    """Grafana's own types read it, and nothing is lost or changed by them."""
    read = json.loads(json.dumps(Dashboard.from_json(DASHBOARD), cls=JSONEncoder))
    assert kept(DASHBOARD, read) == DASHBOARD


@pytest.mark.parametrize(
    "wrong", [{"panels": 3}, {"templating": {"list": [{"hidden": True}]}}, {"titel": "x"}]
)
def test_what_grafana_does_not_know_is_found(wrong: dict[str, Any]) -> None:
    """The types would tell of another shape and of a key that is none."""
    given = DASHBOARD | wrong
    try:
        read = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
    except (TypeError, AttributeError, KeyError, ValueError):
        return
    assert kept(given, read) != given
