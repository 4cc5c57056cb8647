"""The JSON Schema takes every file that is right, and refuses what an editor can know is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from nba.catalog.reference import reference_root
from nba.features.json_schema import features_schema

FILES = sorted((reference_root() / "features").glob("*.yaml"))
SCHEMA = features_schema()
COUNT = {
    "name": "orders",
    "kind": "aggregate",
    "event": "Order Completed",
    "function": "count",
    "description": "Orders.",
}
INTERACTION = {"name": "clicks", "kind": "interaction", "of": "click", "description": "Clicks."}


def faults(content: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(content)]


def without(definition: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in definition.items() if name != key}


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_takes_every_file_of_the_reference_project(path: Path):
    assert faults(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "feature",
    [
        COUNT | {"window": "7d"},
        COUNT | {"function": "decayed_sum", "property": "revenue", "half_life": "30d"},
        without(COUNT | {"function": "ratio", "numerator": "a", "denominator": "b"}, "event"),
        INTERACTION,
        INTERACTION | {"of": "decision", "window": "7d", "by": "product@1", "limit": 20},
        {"name": "a", "kind": "action", "source": "action.has_term:product:a/b", "description": ""},
        {"name": "a", "kind": "attribute", "type": "set", "values": ["x"], "description": ""},
    ],
    ids=lambda feature: feature["kind"],
)
def test_it_takes_what_is_right(feature):
    assert faults({"features": [feature]}) == []


@pytest.mark.parametrize(
    "feature",
    [
        without(COUNT, "kind"),
        without(COUNT, "name"),
        without(COUNT, "function"),
        without(COUNT, "event"),
        COUNT | {"kind": "aggregated"},
        COUNT | {"function": "average"},
        COUNT | {"name": "Orders"},
        COUNT | {"windows": "7d"},
        COUNT | {"window": "7 days"},
        COUNT | {"function": "sum"},
        COUNT | {"function": "top", "property": "category"},
        COUNT | {"function": "decayed_count"},
        COUNT | {"property": "revenue"},
        COUNT | {"function": "distinct", "property": "category", "limit": 201},
        INTERACTION | {"of": "decision"},
        INTERACTION | {"by": "product"},
        INTERACTION | {"function": "sum"},
        {"name": "c", "kind": "context", "type": "date", "description": ""},
        {"name": "a", "kind": "action", "source": "action.price", "description": ""},
        {"name": "x", "kind": "cross", "of": "orders", "source": "action.value", "description": ""},
    ],
    ids=str,
)
def test_it_refuses_what_is_wrong(feature):
    assert len(faults({"features": [feature]})) > 0


def test_it_refuses_other_sections():
    assert len(faults({"feature": [COUNT]})) > 0


def test_every_key_is_described():
    for name, definition in SCHEMA["$defs"].items():
        for key, content in definition.get("properties", {}).items():
            assert content["description"], f"{name}.{key}"


def test_no_markup_of_docstrings_is_left():
    text = json.dumps(SCHEMA)
    assert "``" not in text
    assert ":data:" not in text
