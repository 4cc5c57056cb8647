"""What can be wrong with a definition, beyond its shape; each problem names the key it is under."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from nba.features.aggregate_checks import aggregate_problems, interaction_problems
from nba.features.aggregates import (
    INTERACTION_EVENT_PREFIX,
    MAX_GROUPS,
    AggregateFeature,
    InteractionFeature,
)
from nba.features.definitions import (
    CROSS_SOURCES,
    ActionFeature,
    ActionSource,
    AttributeFeature,
    ContextFeature,
    CrossFeature,
    EventDefinition,
    FeatureType,
    SegmentDefinition,
    parse_term_flag,
    parse_term_source,
    parse_window,
)
from nba.features.kinds import FeatureDefinition
from nba.features.problems import Problem, repeated
from nba.features.row import SEGMENT_PREFIX
from nba.features.values import BadValueError, ValueSpec

RESERVED_PREFIXES = ("f_", "a_", SEGMENT_PREFIX)
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


def event_problems(event: EventDefinition) -> Iterator[Problem]:
    """Yield what is wrong with an event."""
    if not event.name.strip():
        yield Problem("name", "the name is empty", "give the name under which it is sent")
    if event.name.startswith(INTERACTION_EVENT_PREFIX):
        found = f"name {event.name!r} is of the service's own events"
        yield Problem("name", found, "declare an interaction to count outcomes")
    for name in event.sensitive:
        if name not in event.properties:
            known = ", ".join(event.properties) or "none"
            yield Problem("sensitive", f"property {name!r} is not declared", f"one of: {known}")
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
            yield from aggregate_problems(feature, events)
        case InteractionFeature():
            yield from interaction_problems(feature, dimensions)
        case ActionFeature():
            yield from _action_problems(feature, dimensions)
        case CrossFeature():
            yield from _cross_problems(feature, dimensions)


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
    if feature.type in (FeatureType.ENUM, FeatureType.SET):
        yield from _enum_problems(feature.type, feature.values)
    elif feature.values:
        yield Problem(
            "values", f"values are given for a {feature.type}", "remove them, or use type: enum"
        )
    bounds_are_right = True
    if isinstance(feature, ContextFeature):
        if feature.type in (FeatureType.DATE, FeatureType.SET):
            found = f"a {feature.type} in the context"
            yield Problem("type", found, "a number, bool or enum is expected")
        problems = list(_bound_problems(feature))
        bounds_are_right = not problems
        yield from problems
    if isinstance(feature, AttributeFeature):
        yield from _freshness_problems(feature)
    if feature.default is not None and feature.type is FeatureType.SET:
        yield Problem("default", "a default for a set", "remove it")
    elif feature.default is not None and bounds_are_right:
        try:
            _default_spec(feature).encode(feature.default)
        except BadValueError as error:
            yield Problem("default", f"default, {error.found}", error.expected)


def _default_spec(feature: AttributeFeature | ContextFeature) -> ValueSpec:
    if feature.type is FeatureType.DATE:
        return ValueSpec(FeatureType.NUMBER)
    return ValueSpec.of(feature)


def _freshness_problems(feature: AttributeFeature) -> Iterator[Problem]:
    if feature.freshness is None:
        return
    try:
        seconds = parse_window(feature.freshness)
    except ValueError:
        seconds = 0
    if not seconds:
        expected = "a whole number of h, d or w is expected, such as 90d"
        yield Problem("freshness", f"freshness {feature.freshness!r}", expected)


def _enum_problems(type_: FeatureType, values: tuple[str, ...]) -> Iterator[Problem]:
    if not values:
        yield Problem("values", f"{_an(type_)} without values", "list its values")
    if type_ is FeatureType.SET and len(values) > MAX_GROUPS:
        yield Problem("values", f"{len(values)} values", f"at most {MAX_GROUPS}")
    for value in repeated(values):
        yield Problem("values", f"value {value!r} is listed twice", "list it once")
    if "" in values:
        yield Problem("values", "an empty value", "give it a word; missing needs none")


def _an(type_: FeatureType) -> str:
    return f"an {type_}" if type_ is FeatureType.ENUM else f"a {type_}"


def _bound_problems(feature: ContextFeature) -> Iterator[Problem]:
    low, high = feature.minimum, feature.maximum
    if feature.type is not FeatureType.NUMBER:
        for key, bound in (("minimum", low), ("maximum", high)):
            if bound is not None:
                yield Problem(key, f"{key} is given for a {feature.type}", "remove it")
    elif low is not None and high is not None and low > high:
        yield Problem("minimum", f"minimum {low:g} is above maximum {high:g}", "swap them")


def _action_problems(
    feature: ActionFeature, dimensions: Collection[str] | None
) -> Iterator[Problem]:
    path = f"action.{feature.name}"
    if path in set(ActionSource) and feature.source != path:
        yield Problem("name", f"{path} means another thing in conditions", "choose another name")
    if feature.source not in set(ActionSource):
        yield from _term_problems(feature.source, set(ActionSource), dimensions)
    right = feature.source_type
    if feature.type is not None and feature.type is not right:
        yield Problem("type", f"{feature.source} as a {feature.type}", f"it is a {right}")


def _cross_problems(feature: CrossFeature, dimensions: Collection[str] | None) -> Iterator[Problem]:
    if feature.source not in CROSS_SOURCES:
        yield from _term_problems(feature.source, CROSS_SOURCES, dimensions, flags=False)


def _term_problems(
    source: str,
    others: Collection[str],
    dimensions: Collection[str] | None,
    *,
    flags: bool = True,
) -> Iterator[Problem]:
    flag = parse_term_flag(source) if flags else None
    try:
        dimension = flag.partition(":")[0] if flag else parse_term_source(source)[0]
    except ValueError:
        forms = ["action.term:<dimension>@<depth>", *(["action.has_term:<term>"] * flags)]
        sources = ", ".join([*sorted(others), *forms])
        yield Problem("source", f"source {source!r}", f"one of {sources}")
        return
    if dimensions is not None and dimension not in dimensions:
        known = ", ".join(sorted(dimensions))
        yield Problem("source", f"{dimension!r} is no dimension of the taxonomy", f"one of {known}")


def segment_problems(segment: SegmentDefinition) -> Iterator[Problem]:
    """Yield what is wrong with a segment by itself."""
    if not _SNAKE_CASE.fullmatch(segment.name) or segment.name in _CEL_WORDS:
        expected = "snake_case is expected: a-z, 0-9, _, at most 64 characters"
        yield Problem("name", f"name {segment.name!r}", expected)
