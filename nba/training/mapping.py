"""Mappings: how the columns of a past campaign's table become log records (``training/*.yaml``).

A mapping is a YAML file with the one top-level key ``import:``. Everything that can be wrong with
it is found before a row is read: unknown keys, contradictory sources, probabilities that are none,
repeated features; and, against the table's header, columns that are not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal

from nba.documents import Document, Location, convert, read
from nba.domain.ids import MAX_ID_LENGTH, ActionId
from nba.errors import DefinitionError, Fault

ROW_NUMBER = "row_number"
"""In place of a column: the row's number in the file, from 1."""

_PROBABILITY_TOLERANCE = 0.005
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MINIMUM_ACTIONS = 2

Cell = str | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFormat:
    """How the file is read; ``missing`` are the cell texts that mean "not known"."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    format: Literal["csv", "parquet"] = "csv"
    separator: str = ","
    missing: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSource:
    """When the action was taken: one moment for all rows, or a column.

    ``format`` is a ``strftime`` pattern; without it cells are ISO 8601. Without an offset, UTC.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    constant: datetime | None = None
    column: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSource:
    """Which column says what was done, and which action each of its cell texts is."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    column: str
    values: Mapping[str, ActionId]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbabilitySource:
    """The chance with which the action taken was taken: exactly one of four ways to know it.

    ``constant`` and ``by_action`` may be written as fractions (``1/3``). ``estimated`` takes the
    actions' frequencies in the file, which is right only where they were assigned at random; the
    rows say so in their ``source``.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    constant: float | str | None = None
    by_action: Mapping[ActionId, float | str] | None = None
    column: str | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSource:
    """One feature; ``map`` translates cell texts first. A date becomes days before the action."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: str
    column: str
    type: Literal["number", "bool", "enum", "date"]
    map: Mapping[str, Cell] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSource:
    """One kind of outcome: a yes/no column, and optionally the column with what it was worth."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    kind: str
    column: str
    value_column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSource:
    """What is learned: ``label`` is an outcome kind; the reward a column, or else the label."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    label: str
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSpec:
    """A whole mapping, as written under ``import:``.

    ``customer_id`` and ``row_id`` are column names, or ``row_number``. ``values`` and ``costs``
    give what an action's outcome is worth and what it costs; by default 1 and 0.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    dataset: str
    description: str
    at: TimeSource
    placement: str
    channel: str
    action: ActionSource
    probability: ProbabilitySource
    outcomes: tuple[OutcomeSource, ...]
    reward: RewardSource
    features: tuple[FeatureSource, ...] = ()
    table: TableFormat = field(default_factory=TableFormat)
    row_id: str = ROW_NUMBER
    customer_id: str = ROW_NUMBER
    horizon: timedelta = timedelta(days=14)
    values: Mapping[ActionId, float] = field(default_factory=dict)
    costs: Mapping[ActionId, float] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[ActionId, ...]:
        """Every mapped action, once, in the order of the mapping: the candidates of each row."""
        return tuple(dict.fromkeys(self.action.values.values()))


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """A mapping that holds in itself, and the file it came from, for messages about places."""

    spec: ImportSpec
    document: Document

    @property
    def probabilities(self) -> Mapping[ActionId, float] | None:
        """The chance of each action where the mapping states it, else ``None``."""
        source = self.spec.probability
        if source.by_action is not None:
            return {action: _number(text) for action, text in source.by_action.items()}
        if source.constant is not None:
            return dict.fromkeys(self.spec.actions, _number(source.constant))
        return None

    def place(self, *location: str | int) -> str:
        """``file:line`` of a path below ``import:``."""
        return self.document.place("import", *location)

    def check_columns(self, header: Sequence[str]) -> None:
        """Raise :class:`DefinitionError` for every column the table does not have."""
        faults = []
        for location, column in self._columns():
            if column in header:
                continue
            near = get_close_matches(column, header, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the table has {', '.join(header)}"
            found = f"{'.'.join(map(str, location))}: the table has no column {column!r}"
            faults.append(Fault(self.place(*location), found, hint))
        if faults:
            raise DefinitionError(faults)

    def _columns(self) -> Iterator[tuple[Location, str]]:
        spec = self.spec
        optional: list[tuple[Location, str | None]] = [
            (("row_id",), None if spec.row_id == ROW_NUMBER else spec.row_id),
            (("customer_id",), None if spec.customer_id == ROW_NUMBER else spec.customer_id),
            (("at", "column"), spec.at.column),
            (("action", "column"), spec.action.column),
            (("probability", "column"), spec.probability.column),
            (("reward", "column"), spec.reward.column),
        ]
        for index, feature in enumerate(spec.features):
            optional.append((("features", index, "column"), feature.column))
        for index, outcome in enumerate(spec.outcomes):
            optional.append((("outcomes", index, "column"), outcome.column))
            optional.append((("outcomes", index, "value_column"), outcome.value_column))
        return ((location, column) for location, column in optional if column is not None)


def load_mapping(path: Path, *, root: Path) -> ImportMapping:
    """Read and check a mapping; places in messages are relative to ``root``.

    Raises :class:`DefinitionError` naming every fault with its file and line.
    """
    document = read(path, root=root)
    faults = [
        Fault(document.place(key), f"unknown key {key!r}", "a mapping has the one key 'import'")
        for key in document.data
        if key != "import"
    ]
    if "import" not in document.data:
        faults.append(Fault(document.place(), "no key 'import'", "put the mapping under it"))
        raise DefinitionError(faults)
    spec = convert(document, document.data["import"], ImportSpec, faults, "import")
    if spec is None:
        raise DefinitionError(faults)
    mapping = ImportMapping(spec, document)
    faults.extend(
        Fault(mapping.place(*location), f"{'.'.join(map(str, location))}: {found}", expected)
        for location, found, expected in _contradictions(spec)
    )
    if faults:
        raise DefinitionError(faults)
    return mapping


_Contradiction = tuple[Location, str, str]


def _contradictions(spec: ImportSpec) -> Iterator[_Contradiction]:
    if not _NAME.fullmatch(spec.dataset):
        yield ("dataset",), f"found {spec.dataset!r}", "lower case letters, digits and _"
    if len(spec.table.separator) != 1:
        yield ("table", "separator"), f"found {spec.table.separator!r}", "one character"
    if (spec.at.constant is None) == (spec.at.column is None):
        yield ("at",), "needs a constant or a column", "give exactly one of the two"
    if spec.at.format is not None and spec.at.column is None:
        yield ("at", "format"), "a format without a column", "remove it"
    if spec.horizon <= timedelta(0):
        yield ("horizon",), f"found {spec.horizon}", "a time longer than 0"
    yield from _action_faults(spec)
    yield from _probability_faults(spec)
    yield from _outcome_faults(spec)
    yield from _feature_faults(spec)


def _action_faults(spec: ImportSpec) -> Iterator[_Contradiction]:
    if len(spec.actions) < _MINIMUM_ACTIONS:
        yield ("action", "values"), f"maps {len(spec.actions)} action(s)", "map at least two"
    for text, action in spec.action.values.items():
        if not _is_identifier(action):
            yield ("action", "values", text), f"found {action!r}", "an action id"
    for key, table in (("values", spec.values), ("costs", spec.costs)):
        for action in table:
            if action not in spec.actions:
                yield (key, action), "is no mapped action", f"one of {', '.join(spec.actions)}"


def _probability_faults(spec: ImportSpec) -> Iterator[_Contradiction]:
    source = spec.probability
    given = [
        name
        for name in ("constant", "by_action", "column", "estimated")
        if getattr(source, name) is not None and getattr(source, name) is not False
    ]
    if len(given) != 1:
        ways = "exactly one of constant, by_action, column, estimated"
        yield ("probability",), f"found {' and '.join(given) or 'nothing'}", ways
    elif source.constant is not None:
        yield from _sum_faults({("probability", "constant"): source.constant}, len(spec.actions))
    elif source.by_action is not None:
        where: Location = ("probability", "by_action")
        for action in spec.actions:
            if action not in source.by_action:
                yield where, f"no probability of {action!r}", "add it"
        for action in source.by_action:
            if action not in spec.actions:
                yield (*where, action), "is no mapped action", "remove it"
        stated = {(*where, action): text for action, text in source.by_action.items()}
        yield from _sum_faults(stated, 1)


def _sum_faults(stated: Mapping[Location, float | str], times: int) -> Iterator[_Contradiction]:
    total = 0.0
    for location, text in stated.items():
        try:
            number = _number(text)
        except (ValueError, ZeroDivisionError):
            number = float("nan")
        if not 0.0 < number <= 1.0:
            yield location, f"found {text!r}", "a number above 0 and at most 1, such as 1/3"
        total += number * times
    if abs(total - 1.0) > _PROBABILITY_TOLERANCE:
        yield ("probability",), f"the candidates' sum to {total:.4g}", "they must sum to 1"


def _outcome_faults(spec: ImportSpec) -> Iterator[_Contradiction]:
    if not spec.outcomes:
        yield ("outcomes",), "is empty", "name at least the outcome that is the label"
    seen: set[str] = set()
    for index, outcome in enumerate(spec.outcomes):
        if outcome.kind in seen:
            yield ("outcomes", index, "kind"), f"{outcome.kind!r} is given twice", "remove one"
        seen.add(outcome.kind)
    if spec.outcomes and spec.reward.label not in seen:
        kinds = f"one of the outcomes: {', '.join(sorted(seen))}"
        yield ("reward", "label"), f"found {spec.reward.label!r}", kinds


def _feature_faults(spec: ImportSpec) -> Iterator[_Contradiction]:
    seen: set[str] = set()
    for index, feature in enumerate(spec.features):
        where: Location = ("features", index, "name")
        if not _NAME.fullmatch(feature.name):
            yield where, f"found {feature.name!r}", "lower case letters, digits and _"
        if feature.name in seen:
            yield where, f"{feature.name!r} is given twice", "rename one"
        seen.add(feature.name)
        for text, value in feature.map.items():
            if isinstance(value, str) != (feature.type in ("enum", "date")):
                where = ("features", index, "map", text)
                yield where, f"maps to {value!r}", f"a value of type {feature.type}"


def _number(text: float | str) -> float:
    return float(Fraction(text)) if isinstance(text, str) else float(text)


def _is_identifier(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_ID_LENGTH
