"""deploy/: as far as the manifests can be judged without a cluster."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from openai_connector import settings
from openai_connector.duration import parse_duration
from openai_connector.service import LAST_SECONDS
from openai_connector.status.endpoint import LIVE, READY
from openai_connector.status.server import EVERYWHERE
from openai_connector.zeebe.poller import GIVE_BACK_TIME, POLL_GRACE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
NAME = {"app.kubernetes.io/name": "openai-connector"}
PROBES = ("startup", "liveness", "readiness")
AFTER_DRAIN = timedelta(seconds=2 * POLL_GRACE + LAST_SECONDS) + GIVE_BACK_TIME
KNOWN = {name for row in settings.table() for name in row.names}


def read(path: Path) -> dict[str, Any]:
    """Read a file of one document."""
    (document,) = yaml.safe_load_all(path.read_text("utf-8"))
    assert isinstance(document, dict)
    return document


KUSTOMIZATION = read(FOLDER / "kustomization.yaml")
MANIFESTS = {manifest["kind"]: manifest for manifest in map(read, sorted(FOLDER.glob("*.yaml")))}
POD: dict[str, Any] = MANIFESTS["Deployment"]["spec"]["template"]
(WORKER,) = POD["spec"]["containers"]


def test_every_manifest_is_applied() -> None:
    """What lies in the folder is listed, each kind once, and nothing is listed that is not there."""
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    assert len(MANIFESTS) == len(files) + 1
    component = read(FOLDER / "monitoring" / "kustomization.yaml")
    assert component["resources"] == ["service-monitor.yaml"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.name)
        for path in sorted(chain(FOLDER.glob("*.yaml"), (FOLDER / "monitoring").glob("*.yaml")))
    ],
)
def test_a_manifest_says_what_it_is(path: Path) -> None:
    """Version, kind and name stand there; the namespace is the kustomization's alone."""
    manifest = read(path)
    assert manifest["apiVersion"]
    assert manifest["kind"]
    if "kustomization" not in path.name:
        assert manifest["metadata"]["name"] == "openai-connector"
        assert "namespace" not in manifest["metadata"]


def test_everything_selects_the_workers_pods() -> None:
    """Each selector matches the pod's labels: one that does not would fail in silence."""
    monitor = read(FOLDER / "monitoring" / "service-monitor.yaml")
    assert POD["metadata"]["labels"] == NAME
    assert MANIFESTS["Service"]["metadata"]["labels"] == monitor["spec"]["selector"]["matchLabels"] == NAME
    selectors = [
        MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        MANIFESTS["Service"]["spec"]["selector"],
        *(one["labelSelector"]["matchLabels"] for one in POD["spec"]["topologySpreadConstraints"]),
    ]
    assert all(selector == NAME for selector in selectors)


def test_the_pod_passes_the_restricted_standard() -> None:
    """No root, no privileges, no writable tree, no token of the cluster."""
    pod, container = POD["spec"]["securityContext"], WORKER["securityContext"]
    assert pod["runAsNonRoot"]
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert MANIFESTS["Namespace"]["metadata"]["labels"] == {
        "pod-security.kubernetes.io/enforce": "restricted"
    }


def test_the_worker_has_time_to_drain() -> None:
    """The grace period is the default drain timeout and what comes after it, with some slack."""
    drain = next(row.default for row in settings.table() if "CONNECTOR_DRAIN_TIMEOUT" in row.names)
    grace = timedelta(seconds=POD["spec"]["terminationGracePeriodSeconds"])
    assert grace >= parse_duration(drain) + AFTER_DRAIN + timedelta(seconds=10)


def test_the_wait_for_draining_is_told_everywhere_alike() -> None:
    """Image, compose file, manifest, setting and docs name the same seconds."""
    grace = POD["spec"]["terminationGracePeriodSeconds"]
    told = {
        "Dockerfile": f"docker stop --time {grace}, or terminationGracePeriodSeconds: {grace}",
        "docker-compose.yml": f"stop_grace_period: {grace}s",
        "docs/operators/kubernetes.md": f"{grace} seconds to drain",
        "docs/operators/scaling.md": f"docker stop --time {grace}",
        "docs/operators/fleet.md": f"`CONNECTOR_DRAIN_TIMEOUT` and {grace - 60} seconds more",
        "docs/reference/settings.md": f"terminationGracePeriodSeconds must be at least {grace - 60} s more",
    }
    for path, words in told.items():
        assert words in (ROOT / path).read_text("utf-8"), path


def test_a_worker_always_stays() -> None:
    """Neither an update nor a node that is drained takes the last worker."""
    assert MANIFESTS["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    budget = MANIFESTS["PodDisruptionBudget"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert MANIFESTS["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in MANIFESTS["Deployment"]["spec"]


def test_no_outage_ends_a_worker() -> None:
    """What kills asks whether the worker lives; without an engine it is not ready, which kills nobody."""
    paths = {kind: WORKER[f"{kind}Probe"]["httpGet"]["path"] for kind in PROBES}
    assert paths == {"startup": LIVE, "liveness": LIVE, "readiness": READY}


def test_an_outage_holds_nobody_up() -> None:
    """While no worker is ready, nodes can be drained, and status pages and metrics be reached."""
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert MANIFESTS["Service"]["spec"]["publishNotReadyAddresses"] is True


def test_all_addresses_of_a_pod_are_served() -> None:
    """Those of IPv4 and of IPv6: a cluster may have either; the manifests leave it to the image."""
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.search(rf"^\s*CONNECTOR_HTTP_HOST={re.escape(EVERYWHERE)}$", image, re.MULTILINE)
    assert "CONNECTOR_HTTP_HOST" not in MANIFESTS["ConfigMap"]["data"]


def test_the_policy_does_what_the_docs_say() -> None:
    """Each port goes where the page tells, and names are asked also of the cache on the node."""
    opened = {
        rule["ports"][0]["port"]: [
            selector.get("ipBlock", {}).get("cidr")
            or selector["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name", "any")
            for selector in rule["to"]
        ]
        for rule in MANIFESTS["NetworkPolicy"]["spec"]["egress"]
    }
    assert opened == {
        53: ["any", "169.254.20.10/32"],
        26500: ["camunda"],
        443: ["0.0.0.0/0", "::/0"],
        5432: ["any"],
        4318: ["any"],
    }
    page = (ROOT / "docs" / "operators" / "kubernetes.md").read_text("utf-8")
    assert "any address at 443 (the API), to any namespace at 5432 (a store)" in page


def test_probes_and_scrapes_go_to_the_same_port() -> None:
    """Container, service, policy and image agree on the port."""
    (port,) = WORKER["ports"]
    assert all(WORKER[f"{kind}Probe"]["httpGet"]["port"] == port["name"] for kind in PROBES)
    (service,) = MANIFESTS["Service"]["spec"]["ports"]
    (scraped,) = MANIFESTS["NetworkPolicy"]["spec"]["ingress"]
    (endpoint,) = read(FOLDER / "monitoring" / "service-monitor.yaml")["spec"]["endpoints"]
    assert (service["targetPort"], service["name"]) == (port["name"], endpoint["port"])
    assert [one["port"] for one in scraped["ports"]] == [port["containerPort"]] == [service["port"]]
    assert f"EXPOSE {port['containerPort']}" in (ROOT / "Dockerfile").read_text("utf-8")


def test_settings_are_settings_and_no_secrets() -> None:
    """Each name is a setting; the secrets are mounted read-only where the worker is told to look."""
    given = MANIFESTS["ConfigMap"]["data"]
    assert given.keys() <= KNOWN
    assert not {"OPENAI_API_KEY", "ZEEBE_CLIENT_SECRET", "CONNECTOR_STORE"} & given.keys()
    (mount,) = WORKER["volumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == (given["CONNECTOR_SECRETS_DIR"], True)


def test_prometheus_scrapes_the_workers_port() -> None:
    """Of the compose file, Prometheus asks each worker at the port of the image."""
    document = read(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    (job,) = document["scrape_configs"]
    (workers,) = job["dns_sd_configs"]
    assert (workers["names"], workers["port"]) == (["worker"], WORKER["ports"][0]["containerPort"])
