"""Selects cases of the CEL conformance suite; see README.md beside this file.

Usage: ``python select_cases.py package/dist/esm/testdata-json.js > cel_conformance.json``
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILES = (
    "basic",
    "comparisons",
    "conversions",
    "enums",
    "fields",
    "fp_math",
    "integer_math",
    "lists",
    "logic",
    "macros",
    "macros2",
    "namespace",
    "parse",
    "plumbing",
    "string",
    "timestamps",
    "type_deductions",
)
SCALARS = ("boolValue", "int64Value", "uint64Value", "doubleValue", "stringValue")


def scalar(value: Mapping[str, Any]) -> bool | int | float | str | None:
    """Return a value of the suite that is a bool, number or text, else ``None``."""
    kind = next((kind for kind in SCALARS if kind in value), None)
    if kind is None:
        return None
    found: bool | float | str = value[kind]
    if kind in {"int64Value", "uint64Value"}:
        return int(found)
    if kind == "doubleValue" and (isinstance(found, str) or not math.isfinite(found)):
        return f"double {found}"
    return found


def flat(name: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a binding by path; a map gives one path for each of its keys."""
    if "mapValue" not in value:
        yield name, scalar(value)
        return
    for entry in value["mapValue"].get("entries", []):
        key = scalar(entry["key"])
        if isinstance(key, str):
            yield from flat(f"{name}.{key}", entry["value"])


def case(place: str, test: Mapping[str, Any]) -> dict[str, Any]:
    """Return what we keep of a case."""
    kept: dict[str, Any] = {"name": f"{place}/{test['name']}", "expr": test["expr"]}
    if "evalError" in test:
        kept["error"] = True
    else:
        # The suite's own default: a case that names no result is true.
        default = test.get("typedResult", {"result": {"boolValue": True}}).get("result", {})
        value = scalar(test.get("value", default))
        kept |= {} if value is None else {"value": value}
    bindings: dict[str, Any] = {}
    for name, bound in test.get("bindings", {}).items():
        # The longest qualified name wins, so a map's field gives way to a name of its own.
        bindings |= {
            path: found
            for path, found in flat(name, bound.get("value", {}))
            if found is not None and (path == name or path not in test["bindings"])
        }
    return kept | ({"bindings": bindings} if bindings else {})


def main() -> None:
    """Print the selected cases, one a line."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    suite = json.loads(text[text.index("= [") + 2 : text.rindex("]") + 1])
    cases = [
        case(f"{file['name']}/{section['name']}", test)
        for file in suite
        if file["name"] in FILES
        for section in file["section"]
        for test in section["test"]
    ]
    lines = ",\n".join(
        json.dumps(kept, ensure_ascii=False, separators=(",", ":")) for kept in cases
    )
    sys.stdout.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
