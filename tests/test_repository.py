"""What surrounds the code holds together: pins, image, compose file, chart, alerts, dashboard."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Metric

from nba.catalog.reference import REFERENCE_FOLDERS
from nba.decision.outcomes import OutcomeStatus
from nba.features import ItemStatus
from nba.serving.metrics import STAGES, Metrics
from nba.serving.openapi import openapi_document
from nba.settings import Settings
from nba.worker.metrics import WorkerMetrics

ROOT = Path(__file__).resolve().parent.parent
SERVING = ROOT / "serving"
CHART = SERVING / "helm" / "nba"
SETTINGS = {f"NBA_{name.upper()}" for name in Settings.model_fields}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

LABELS = {
    "result": {"answered", "refused"},
    "status": {str(status) for status in (*OutcomeStatus, *ItemStatus)},
    "stage": set(STAGES),
    "what": {"event", "property", "attribute"},
    "digest": set(),
    "le": set(),
}
"""Labels the API exports, and their values where they are few."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=;~! ]", name)[0]).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.partition("==") for line in lines if not line.startswith("#")]
    assert len({name for name, _, _ in rows}) == len(rows)
    return {name: version for name, _, version in rows}


def test_every_dependency_is_pinned_once_to_one_version():
    asked = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        asked += extra
    pinned = pins()
    assert {canonical(name) for name in asked} <= pinned.keys()
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pinned.values())
    assert list(pinned) == sorted(pinned)


def test_the_image_is_built_from_every_folder_of_the_wheel():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(included) == set(REFERENCE_FOLDERS)
    for folder in (*included, "nba"):
        assert f"COPY {folder} {folder}\n" in dockerfile
        assert f"!{folder}" in ignored


def test_the_image_runs_unprivileged_and_says_when_it_is_ill():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = dockerfile.rpartition("\nFROM ")[2]
    assert dockerfile.count("\nFROM ") == 2
    assert "\nUSER 10001\n" in last
    assert "HEALTHCHECK" in last
    assert "/healthz" in last
    assert last.rstrip().endswith('CMD ["nba", "up"]')
    assert set(re.findall(r"\bNBA_[A-Z_]+", last)) <= SETTINGS


def test_continuous_integration_runs_what_the_readme_says():
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in text
    assert re.search(r"^make test\b", text, re.MULTILINE)
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SERVING / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_compose_file_sets_only_settings_and_runs_our_commands():
    services = compose()["services"]
    assert services["api"]["command"] == ["nba", "api"]
    assert services["worker"]["command"] == ["nba", "worker"]
    for name in ("api", "worker"):
        assert services[name]["environment"].keys() <= SETTINGS
        assert services[name]["depends_on"].keys() <= services.keys()
        for store in services[name]["depends_on"]:
            assert "healthcheck" in services[store]


def test_the_compose_file_points_each_store_at_a_service_of_its_own():
    services = compose()["services"]
    environment = services["api"]["environment"]
    for name in ("NBA_REDIS_URL", "NBA_CONTROL_URL", "NBA_MLFLOW_TRACKING_URI"):
        host = re.search(r"(?:@|//)([a-z]+):\d+", environment[name])
        assert host, name
        assert host[1] in services, name


def test_named_volumes_are_declared():
    data = compose()
    for name, service in data["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source == ".." or source in data["volumes"], name


def values_used() -> Iterator[tuple[str, str]]:
    for path in sorted((CHART / "templates").iterdir()):
        for name in re.findall(r"\.Values\.([\w.]+)", path.read_text(encoding="utf-8")):
            yield path.name, name


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return loaded


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")


def test_every_value_the_chart_uses_has_a_default_and_every_default_is_used():
    used = {name for _, name in values_used()}
    known = set(leaves(values()))
    assert used <= known
    unused = {name for name in known if not any(_overlap(name, other) for other in used)}
    assert unused == set()


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def test_every_helper_the_chart_includes_is_defined():
    texts = [path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()]
    included = {name for text in texts for name in re.findall(r'include "([\w.]+)"', text)}
    defined = {name for text in texts for name in re.findall(r'define "([\w.]+)"', text)}
    assert included == defined


@pytest.mark.parametrize(
    "path", sorted((CHART / "templates").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_template_is_yaml_once_its_actions_are_taken_out(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not re.fullmatch(r"\s*\{\{-?.*\}\}", line)]
    text = re.sub(r"\{\{.*?\}\}", "x", "\n".join(kept))
    documents = list(yaml.safe_load_all(text))
    assert documents
    for document in documents:
        assert {"apiVersion", "kind", "metadata"} <= document.keys()


def test_the_chart_sets_only_settings_and_is_of_this_version():
    assert values()["settings"].keys() <= SETTINGS
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == PROJECT["project"]["version"]
    assert values()["image"]["tag"] == PROJECT["project"]["version"]
    assert values()["settings"]["NBA_PORT"] == str(values()["api"]["port"])


def test_the_chart_numbers_its_workers():
    """Each takes its share of the partitions by its number, and all know how many they are."""
    text = (CHART / "templates" / "worker.yaml").read_text(encoding="utf-8")
    assert "kind: StatefulSet" in text
    assert "replicas: {{ .Values.worker.count }}" in text
    assert "value: {{ .Values.worker.count | quote }}" in text
    assert "metadata.labels['apps.kubernetes.io/pod-index']" in text
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert 1 <= values["worker"]["count"] <= int(values["settings"]["NBA_PARTITIONS"])


def exported() -> dict[str, set[str]]:
    """Return the samples the API and the worker export and the labels of each."""
    return sampled(Metrics().registry) | sampled(WorkerMetrics().registry)


def sampled(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Return the samples of a registry and the labels of each."""
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        assert isinstance(family, Metric)
        suffixes = {
            "counter": ["_total"],
            "gauge": [""],
            "histogram": ["_bucket", "_sum", "_count"],
        }
        labels = set(getattr(registry, "_names_to_collectors")[family.name]._labelnames)  # noqa: B009
        for suffix in suffixes[family.type]:
            found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def expressions() -> list[str]:
    rules = yaml.safe_load((SERVING / "alerts.yaml").read_text(encoding="utf-8"))
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((SERVING / "dashboard.json").read_text(encoding="utf-8"))
    found += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found


@pytest.mark.parametrize("expression", expressions())
def test_alerts_and_dashboard_use_only_what_is_exported(expression: str):
    samples = exported()
    names = set(re.findall(r"\bnba_\w+", expression))
    assert names
    assert names <= samples.keys()
    known = set().union(*(samples[name] for name in names))
    for label, value in re.findall(r'(\w+)="([^"]*)"', expression):
        assert label in known
        assert value in LABELS[label]
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= known
    assert expression.count("(") == expression.count(")")


def test_every_alert_says_what_it_means_and_what_to_do():
    rules = yaml.safe_load((SERVING / "alerts.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        names = [rule["alert"] for rule in group["rules"]]
        assert len(names) == len(set(names))
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "action"}
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_metric_is_watched():
    """A metric of the API that neither an alert nor the dashboard uses is looked at by nobody."""
    text = "\n".join(expressions())
    samples = sampled(Metrics().registry)
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in samples}
    assert {family for family in families if family not in text} == set()


def test_the_openapi_file_is_the_document_the_service_gives():
    written = json.loads((SERVING / "openapi.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(openapi_document()))


def test_runs_of_the_project_are_commands_that_exist():
    project = yaml.safe_load((ROOT / "training" / "MLproject").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for entry in project["entry_points"].values():
        name = " ".join(entry["command"].split()[:2])
        assert f"## `{name}`\n" in page
        assert set(re.findall(r"\{(\w+)\}", entry["command"])) == entry["parameters"].keys()
