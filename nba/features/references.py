"""What can be wrong between definitions: names that are not there, cycles, conditions that fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nba.documents import Document
from nba.errors import Fault
from nba.expressions import Expression, ExpressionError, Level, Symbol, ValueType, parse
from nba.features.aggregates import (
    AggregateFeature,
    AggregateFunction,
    InteractionFeature,
    interaction_events,
)
from nba.features.definitions import (
    CrossFeature,
    DerivedFeature,
    EventDefinition,
    SegmentDefinition,
)
from nba.features.derived import CycleError, order
from nba.features.kinds import FeatureDefinition
from nba.features.problems import Problem
from nba.features.row import Declared, RowCompiler

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Located(Generic[T_co]):
    """A definition and where it was written."""

    definition: T_co
    document: Document
    location: tuple[str, int]

    def fault(self, problem: Problem) -> Fault:
        """Return a problem with its place."""
        place = self.document.place(*self.location, problem.key)
        return Fault(place, problem.found, problem.expected)


def reference_faults(
    features: Sequence[Located[FeatureDefinition]],
    events: Mapping[str, EventDefinition],
    segments: Sequence[Located[SegmentDefinition]],
) -> Iterator[Fault]:
    """Yield what is wrong between definitions each of which is right by itself.

    Expressions are looked at once every feature has what it is of: they are read over a row.
    """
    by_name: dict[str, FeatureDefinition] = {
        item.definition.name: item.definition for item in features
    }
    crossed: dict[str, str] = {}
    faults: list[Fault] = []
    for item in features:
        match item.definition:
            case AggregateFeature(function=AggregateFunction.RATIO) as ratio:
                faults += map(item.fault, _ratio_problems(ratio, by_name))
            case CrossFeature() as cross:
                faults += map(item.fault, _cross_problems(cross, by_name, crossed))
    yield from faults or _condition_faults(features, events, segments)


def _ratio_problems(
    ratio: AggregateFeature, by_name: Mapping[str, FeatureDefinition]
) -> Iterator[Problem]:
    for key, name in (("numerator", ratio.numerator), ("denominator", ratio.denominator)):
        of = by_name.get(name or "")
        if isinstance(of, InteractionFeature) and of.of != "decision":
            of = of.aggregate()
        if (
            not isinstance(of, AggregateFeature)
            or of.function is AggregateFunction.RATIO
            or of.by is not None
            or of.values
            or of.values
        ):
            expected = "an aggregate of numbers that is neither grouped nor a ratio"
            yield Problem(key, f"{key} {name!r} is no such aggregate", expected)


def _cross_problems(
    cross: CrossFeature, by_name: Mapping[str, FeatureDefinition], crossed: dict[str, str]
) -> Iterator[Problem]:
    of = by_name.get(cross.of)
    if not isinstance(of, AggregateFeature | InteractionFeature) or of.by is None:
        grouped = sorted(
            name
            for name, item in by_name.items()
            if isinstance(item, AggregateFeature | InteractionFeature) and item.by is not None
        )
        expected = (
            f"an aggregate or interaction with by: {', '.join(grouped) or 'none is declared'}"
        )
        yield Problem("of", f"{cross.of!r} is not grouped", expected)
    elif isinstance(of, InteractionFeature) and of.of == "decision":
        first = crossed.setdefault(of.name, cross.name)
        if first != cross.name:
            found = f"{of.name!r} is crossed by {first!r} already"
            yield Problem("of", found, "declare another interaction for it")


def _condition_faults(
    features: Sequence[Located[FeatureDefinition]],
    events: Mapping[str, EventDefinition],
    segments: Sequence[Located[SegmentDefinition]],
) -> Iterator[Fault]:
    """Type-check derived features and segments against one another."""
    definitions = [item.definition for item in features]
    interactions = tuple(d for d in definitions if isinstance(d, InteractionFeature))
    accepted = {**events, **{event.name: event for event in interaction_events(interactions)}}
    row, _, _ = RowCompiler(Declared.of(definitions, ()), accepted, None).compile()
    schema = dict(row.symbols)
    written: dict[str, tuple[Located[object], str, str, ValueType]] = {}
    for item in features:
        if isinstance(item.definition, DerivedFeature):
            type_ = ValueType(item.definition.type)
            path = f"customer.{item.definition.name}"
            written[path] = item, "expression", item.definition.expression, type_
    for segment in segments:
        path = f"segment.{segment.definition.name}"
        written[path] = segment, "condition", segment.definition.condition, ValueType.BOOL
    for path, (_, _, _, type_) in written.items():
        schema[path] = Symbol(path, type_, Level.SITUATION, len(schema))
    parsed: dict[str, Expression] = {}
    for path, (place, key, text, type_) in written.items():
        try:
            parsed[path] = parse(text, schema, expect=type_)
        except ExpressionError as error:
            found = f"{key}, line {error.line}, column {error.column}: {error.found}"
            yield place.fault(Problem(key, found, error.expected))
    if len(parsed) < len(written):
        return
    try:
        order(parsed)
    except CycleError as error:
        for path in error.paths:
            place, key, _, _ = written[path]
            found = f"{path} is computed from itself, through {', '.join(error.paths)}"
            yield place.fault(Problem(key, found, "break the circle"))
