"""What can be wrong with a definition, beyond its shape; each problem names the key it is under."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from nba.expressions import ExpressionError, parse
from nba.features.aggregation import property_schema
from nba.features.definitions import (
    MAX_WINDOW_SECONDS,
    MIN_WINDOW_SECONDS,
    NUMBER_SOURCES,
    ActionFeature,
    ActionSource,
    AggregateFeature,
    AggregateFunction,
    AttributeFeature,
    ContextFeature,
    EventDefinition,
    FeatureDefinition,
    FeatureType,
    PropertyType,
    parse_term_source,
    parse_window,
)
from nba.features.values import BadValueError, ValueSpec

RESERVED_PREFIXES = ("f_", "a_")
"""The log writes situation features under ``f_`` and action features under ``a_``."""

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CEL_WORDS = frozenset(
    (
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    )
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong under a key of a definition."""

    key: str
    found: str
    expected: str


def event_problems(event: EventDefinition) -> Iterator[Problem]:
    """Yield what is wrong with an event."""
    if not event.name.strip():
        yield Problem("name", "the name is empty", "give the name under which it is sent")
    for name in event.properties:
        if not _IDENTIFIER.fullmatch(name) or name in _CEL_WORDS:
            yield Problem(
                "properties",
                f"property {name!r} cannot be written in a condition",
                "letters, digits and underscores, not a word of CEL",
            )


def feature_problems(
    feature: FeatureDefinition,
    events: Mapping[str, EventDefinition],
    dimensions: Collection[str] | None = None,
) -> Iterator[Problem]:
    """Yield what is wrong with a feature, given the events and taxonomy dimensions declared.

    Without ``dimensions`` those of term sources are not looked at.
    """
    yield from _name_problems(feature)
    match feature:
        case AttributeFeature() | ContextFeature():
            yield from _value_problems(feature)
        case AggregateFeature():
            yield from _aggregate_problems(feature, events)
        case ActionFeature():
            yield from _action_problems(feature, dimensions)


def _name_problems(feature: FeatureDefinition) -> Iterator[Problem]:
    name = feature.name
    if not _SNAKE_CASE.fullmatch(name):
        yield Problem(
            "name", f"name {name!r}", "snake_case is expected: a-z, 0-9, _, at most 64 characters"
        )
    elif name.startswith(RESERVED_PREFIXES):
        yield Problem(
            "name",
            f"name {name!r} starts with a prefix of log columns",
            f"do not start it with {' or '.join(RESERVED_PREFIXES)}",
        )
    elif name in _CEL_WORDS:
        yield Problem("name", f"name {name!r} is a word of CEL", "choose another name")


def _value_problems(feature: AttributeFeature | ContextFeature) -> Iterator[Problem]:
    if feature.type is FeatureType.ENUM:
        yield from _enum_problems(feature.values)
    elif feature.values:
        yield Problem(
            "values", f"values are given for a {feature.type}", "remove them, or use type: enum"
        )
    bounds_are_right = True
    if isinstance(feature, ContextFeature):
        if feature.type is FeatureType.DATE:
            yield Problem("type", "a date in the context", "a number of days is expected")
        problems = list(_bound_problems(feature))
        bounds_are_right = not problems
        yield from problems
    if feature.default is not None and bounds_are_right:
        try:
            _default_spec(feature).encode(feature.default)
        except BadValueError as error:
            yield Problem("default", f"default, {error.found}", error.expected)


def _default_spec(feature: AttributeFeature | ContextFeature) -> ValueSpec:
    if feature.type is FeatureType.DATE:
        return ValueSpec(FeatureType.NUMBER)
    return ValueSpec.of(feature)


def _enum_problems(values: tuple[str, ...]) -> Iterator[Problem]:
    if not values:
        yield Problem("values", "an enum without values", "list its values")
    for value in _repeated(values):
        yield Problem("values", f"value {value!r} is listed twice", "list it once")
    if "" in values:
        yield Problem("values", "an empty value", "give it a word; missing needs none")


def _bound_problems(feature: ContextFeature) -> Iterator[Problem]:
    low, high = feature.minimum, feature.maximum
    if feature.type is not FeatureType.NUMBER:
        for key, bound in (("minimum", low), ("maximum", high)):
            if bound is not None:
                yield Problem(key, f"{key} is given for a {feature.type}", "remove it")
    elif low is not None and high is not None and low > high:
        yield Problem("minimum", f"minimum {low:g} is above maximum {high:g}", "swap them")


def _aggregate_problems(
    feature: AggregateFeature, events: Mapping[str, EventDefinition]
) -> Iterator[Problem]:
    yield from _window_problems(feature)
    if feature.default is not None and feature.function is not AggregateFunction.RECENCY:
        yield Problem(
            "default", f"a default for a {feature.function}", "remove it: without events it is 0"
        )
    event = events.get(feature.event)
    if event is None:
        known = ", ".join(sorted(events)) or "none"
        yield Problem(
            "event", f"event {feature.event!r} is not declared", f"declared events: {known}"
        )
        return
    yield from _property_problems(feature, event)
    if feature.where is not None:
        try:
            parse(feature.where, property_schema(event))
        except ExpressionError as error:
            found = f"where, line {error.line}, column {error.column}: {error.found}"
            yield Problem("where", found, error.expected)


def _property_problems(feature: AggregateFeature, event: EventDefinition) -> Iterator[Problem]:
    if feature.function is not AggregateFunction.SUM:
        if feature.property is not None:
            yield Problem(
                "property", f"a property for a {feature.function}", "remove it, or use a sum"
            )
        return
    numbers = [name for name, type_ in event.properties.items() if type_ is PropertyType.NUMBER]
    expected = f"number properties of {event.name!r}: {', '.join(numbers) or 'none'}"
    if feature.property is None:
        yield Problem("function", "a sum without a property", expected)
    elif feature.property not in event.properties:
        yield Problem("property", f"property {feature.property!r} is not declared", expected)
    elif feature.property not in numbers:
        found = event.properties[feature.property]
        yield Problem("property", f"property {feature.property!r} is a {found}", expected)


def _window_problems(feature: AggregateFeature) -> Iterator[Problem]:
    if feature.window is None:
        return
    if feature.function is AggregateFunction.RECENCY:
        yield Problem("window", "a window for a recency", "remove it: it looks back for ever")
        return
    expected = "1h to 365d, as a whole number of h, d or w is expected"
    try:
        seconds = parse_window(feature.window)
    except ValueError:
        yield Problem("window", f"window {feature.window!r}", expected)
        return
    if not MIN_WINDOW_SECONDS <= seconds <= MAX_WINDOW_SECONDS:
        yield Problem("window", f"window {feature.window!r}", expected)


def _action_problems(
    feature: ActionFeature, dimensions: Collection[str] | None
) -> Iterator[Problem]:
    path = f"action.{feature.name}"
    if path in set(ActionSource) and feature.source != path:
        yield Problem("name", f"{path} means another thing in conditions", "choose another name")
    if feature.source not in set(ActionSource):
        try:
            dimension, _ = parse_term_source(feature.source)
        except ValueError:
            sources = ", ".join([*ActionSource, "action.term:<dimension>@<depth>"])
            yield Problem("source", f"source {feature.source!r}", f"one of {sources}")
            return
        if dimensions is not None and dimension not in dimensions:
            known = ", ".join(sorted(dimensions))
            yield Problem(
                "source", f"{dimension!r} is no dimension of the taxonomy", f"one of {known}"
            )
    right = FeatureType.NUMBER if feature.source in NUMBER_SOURCES else FeatureType.ENUM
    if feature.type is not None and feature.type is not right:
        yield Problem("type", f"{feature.source} as a {feature.type}", f"it is a {right}")


def _repeated(values: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield value
        seen.add(value)
