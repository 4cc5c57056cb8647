"""Read YAML so that every fault can be answered with its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from nba.errors import DefinitionError, Fault

T = TypeVar("T")
Location = tuple[str | int, ...]

_EXPECTED = {
    "unexpected_keyword_argument": "remove it or correct its name",
    "missing": "add it",
    "missing_argument": "add it",
}


if TYPE_CHECKING:
    from yaml import SafeLoader as _Safe
else:
    # The compiled loader reads ten times as fast; not every build of the library has it.
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlLoader(_Safe):
    """Safe YAML in which a date is the text it is written as: ``launched_on: 2025-06-14``."""


YamlLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file: plain data, and the line of every node by its path."""

    path: str
    data: Any
    lines: Mapping[Location, int]

    def place(self, *location: str | int) -> str:
        """Return ``file:line`` of the deepest known node on a path of keys and indices."""
        known = tuple(location)
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.path}:{self.lines.get(known, 1)}"

    def items(self, key: str) -> Iterator[tuple[int, Any]]:
        """Iterate over the list under a top-level key, with indices; a missing key is empty."""
        found = self.data.get(key) if isinstance(self.data, Mapping) else None
        if isinstance(found, list):
            yield from enumerate(found)


def read(path: Path, *, root: Path) -> Document:
    """Read one YAML file; its place in messages is relative to ``root``.

    Raises :class:`DefinitionError` where the text is not YAML, not a mapping, or repeats a key.
    """
    name = path.relative_to(root).as_posix()
    lines: dict[Location, int] = {}
    faults: list[Fault] = []
    data = None
    try:
        loader = YamlLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is not None:
            _index(node, (), name, lines, faults)
            data = loader.construct_document(node)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or str(error)
        fault = Fault(f"{name}:{line}", f"not readable as YAML: {problem}", "correct the syntax")
        raise DefinitionError([fault]) from error
    except RecursionError as error:
        fault = Fault(f"{name}:1", "an alias holds itself", "write out what is meant")
        raise DefinitionError([fault]) from error
    if not isinstance(data, dict):
        faults.append(
            Fault(f"{name}:1", f"found {type(data).__name__}", "a mapping is expected at the top")
        )
    if faults:
        raise DefinitionError(faults)
    return Document(name, data, lines)


def _index(
    node: yaml.Node, at: Location, name: str, lines: dict[Location, int], faults: list[Fault]
) -> None:
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = (*at, key.value)
            if where in lines:
                place = f"{name}:{key.start_mark.line + 1}"
                first = lines[where]
                faults.append(
                    Fault(place, f"key {key.value!r} is given twice", f"first at line {first}")
                )
            _index(value, where, name, lines, faults)
            lines[where] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _index(value, (*at, index), name, lines, faults)


_adapters: dict[type, TypeAdapter[Any]] = {}


def convert(
    document: Document, value: Any, kind: type[T], faults: list[Fault], *location: str | int
) -> T | None:
    """Turn plain data into a typed value; add a fault for everything wrong and return ``None``.

    ``location`` is the path of ``value`` inside the document.
    """
    adapter = _adapters.get(kind)
    if adapter is None:
        # Making one takes longer than validating a hundred items.
        adapter = _adapters[kind] = TypeAdapter(kind)
    try:
        result: T = adapter.validate_python(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            inner = tuple(part for part in detail["loc"])
            named = ".".join(str(part) for part in (*location, *inner))
            found = f"{named}: {detail['msg']}"
            if detail["type"] not in _EXPECTED:
                found += f", found {detail['input']!r}"
            expected = _EXPECTED.get(detail["type"], "correct the value")
            faults.append(Fault(document.place(*location, *inner), found, expected))
        return None
    return result
