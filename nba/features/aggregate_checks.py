"""What can be wrong with a feature that events move."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nba.expressions import Expression, ExpressionError, ValueType, parse
from nba.expressions.tree import Compare, Literal, walk
from nba.features.aggregates import (
    DECISION,
    INTERACTION_EVENT_PREFIX,
    MAX_GROUPS,
    MAX_WINDOW_SECONDS,
    MIN_WINDOW_SECONDS,
    AggregateFeature,
    AggregateFunction,
    InteractionFeature,
    parse_group,
    takes_value,
)
from nba.features.aggregation import property_schema
from nba.features.definitions import EventDefinition, FeatureType, PropertyType, parse_window
from nba.features.problems import Problem, repeated
from nba.features.values import BadValueError, ValueSpec

_DECAYED = frozenset({AggregateFunction.DECAYED_COUNT, AggregateFunction.DECAYED_SUM})
_WORDED = frozenset({AggregateFunction.DISTINCT, AggregateFunction.TOP})
_ENDS = frozenset({AggregateFunction.FIRST, AggregateFunction.LAST})
_LISTING = _ENDS | {AggregateFunction.TOP}
_NEVER_MISSING = frozenset(
    {
        AggregateFunction.COUNT,
        AggregateFunction.SUM,
        AggregateFunction.DISTINCT,
        *_DECAYED,
    }
)
_GROUPABLE = frozenset(
    {
        AggregateFunction.COUNT,
        AggregateFunction.SUM,
        AggregateFunction.MIN,
        AggregateFunction.MAX,
        AggregateFunction.RECENCY,
        *_DECAYED,
    }
)
_RATIO_KEYS = ("numerator", "denominator")
_WINDOW_FORM = "1h to 365d, as a whole number of h, d or w is expected"
_HALF_LIFE_FORM = "a whole number of h, d or w is expected, such as 14d"


def aggregate_problems(
    feature: AggregateFeature, events: Mapping[str, EventDefinition]
) -> Iterator[Problem]:
    """Yield what is wrong with an aggregate, given the events declared."""
    yield from _shape_problems(feature)
    yield from _time_problems(feature)
    yield from _default_problems(feature)
    if feature.function is AggregateFunction.RATIO:
        return
    event = events.get(feature.event)
    if event is None:
        known = ", ".join(sorted(events)) or "none"
        found = f"event {feature.event!r} is not declared" if feature.event else "no event is named"
        yield Problem("event", found, f"declared events: {known}")
        return
    yield from _property_problems(feature, event)
    if feature.by is not None and event.properties.get(feature.by) is not PropertyType.STRING:
        yield Problem("by", f"by {feature.by!r}", _properties(event, PropertyType.STRING))
    yield from where_problems(feature.where, event)


def interaction_problems(
    feature: InteractionFeature, dimensions: Collection[str] | None
) -> Iterator[Problem]:
    """Yield what is wrong with an interaction, given the dimensions of the taxonomy."""
    if not feature.of.strip():
        yield Problem("of", "no kind is named", "decision, or a kind of outcome")
    if feature.of == DECISION and feature.window is None:
        found = "decisions without a window"
        yield Problem("window", found, "give one: a contact history is kept for as long only")
    aggregate = feature.aggregate()
    yield from _shape_problems(aggregate)
    yield from _time_problems(aggregate)
    yield from _default_problems(aggregate)
    if feature.by is not None:
        try:
            group = parse_group(feature.by)
        except ValueError:
            expected = "action, placement, channel or <dimension>@<depth>"
            yield Problem("by", f"by {feature.by!r}", expected)
        else:
            if group is not None and dimensions is not None and group[0] not in dimensions:
                known = ", ".join(sorted(dimensions))
                found = f"{group[0]!r} is no dimension of the taxonomy"
                yield Problem("by", found, f"one of {known}")
    event = EventDefinition(
        name=feature.event_name,
        description="",
        properties=dict.fromkeys(("action", "placement", "channel"), PropertyType.STRING),
    )
    yield from where_problems(feature.where, event)


def where_problems(where: str | None, event: EventDefinition) -> Iterator[Problem]:
    """Yield what is wrong with a condition over an event's properties."""
    if where is None:
        return
    try:
        expression = parse(where, property_schema(event))
    except ExpressionError as error:
        found = f"where, line {error.line}, column {error.column}: {error.found}"
        yield Problem("where", found, error.expected)
        return
    if _compares_words(expression):
        found = "where compares two strings neither of which is a constant"
        yield Problem("where", found, "compare a property with a constant")


def _compares_words(expression: Expression) -> bool:
    return any(
        isinstance(node, Compare)
        and node.left.type is ValueType.STRING
        and not isinstance(node.left, Literal)
        and not isinstance(node.right, Literal)
        for node in walk(expression.root)
    )


def _shape_problems(feature: AggregateFeature) -> Iterator[Problem]:
    """Yield keys that a function does not take, or lacks."""
    yield from _ratio_problems(feature)
    yield from _values_problems(feature)
    function = feature.function
    if feature.limit is not None:
        if feature.by is None and function is not AggregateFunction.DISTINCT:
            yield Problem("limit", f"a limit for a {function}", "remove it")
        elif not 1 <= feature.limit <= MAX_GROUPS:
            yield Problem("limit", f"limit {feature.limit}", f"1 to {MAX_GROUPS}")
    if feature.by is not None and function not in _GROUPABLE:
        known = ", ".join(sorted(_GROUPABLE))
        yield Problem("by", f"a {function} by {feature.by!r}", f"one of {known} can be grouped")


def _ratio_problems(feature: AggregateFeature) -> Iterator[Problem]:
    function = feature.function
    is_ratio = function is AggregateFunction.RATIO
    for key in _RATIO_KEYS:
        if is_ratio and getattr(feature, key) is None:
            yield Problem(key, f"a ratio without {key}", "name an aggregate")
        elif not is_ratio and getattr(feature, key) is not None:
            yield Problem(key, f"{key} is given for a {function}", "remove it, or use a ratio")
    if is_ratio:
        for key in ("event", "property", "where", "window", "by"):
            if getattr(feature, key):
                yield Problem(key, f"{key} is given for a ratio", "give it to what it is of")


def _values_problems(feature: AggregateFeature) -> Iterator[Problem]:
    function = feature.function
    if feature.values and function not in _LISTING:
        yield Problem("values", f"values are given for a {function}", "remove them")
    if function is AggregateFunction.TOP and not feature.values:
        yield Problem("values", "a top without values", "list the words that are counted")
    if len(feature.values) > MAX_GROUPS:
        yield Problem("values", f"{len(feature.values)} values", f"at most {MAX_GROUPS}")
    for value in repeated(feature.values):
        yield Problem("values", f"value {value!r} is listed twice", "list it once")
    if feature.rank != 1 and function is not AggregateFunction.TOP:
        yield Problem("rank", f"a rank for a {function}", "remove it, or use a top")
    elif not 1 <= feature.rank <= max(len(feature.values), 1):
        yield Problem("rank", f"rank {feature.rank}", f"1 to {max(len(feature.values), 1)}")


def _time_problems(feature: AggregateFeature) -> Iterator[Problem]:
    function = feature.function
    if function in _DECAYED:
        if feature.half_life is None:
            yield Problem("half_life", f"a {function} without half_life", _HALF_LIFE_FORM)
        elif not _is_window(feature.half_life):
            yield Problem("half_life", f"half_life {feature.half_life!r}", _HALF_LIFE_FORM)
    elif feature.half_life is not None:
        yield Problem("half_life", f"half_life is given for a {function}", "remove it")
    if feature.window is None:
        return
    if function is AggregateFunction.SINCE_FIRST or (
        function in _DECAYED and feature.event != INTERACTION_EVENT_PREFIX + DECISION
    ):
        yield Problem("window", f"a window for a {function}", "remove it: it looks back for ever")
    elif not _is_window(feature.window):
        yield Problem("window", f"window {feature.window!r}", _WINDOW_FORM)
    elif not MIN_WINDOW_SECONDS <= parse_window(feature.window) <= MAX_WINDOW_SECONDS:
        found = f"window {feature.window!r}, longer or shorter than history is kept"
        yield Problem("window", found, _WINDOW_FORM)


def _is_window(text: str) -> bool:
    try:
        return parse_window(text) > 0
    except ValueError:
        return False


def _default_problems(feature: AggregateFeature) -> Iterator[Problem]:
    if feature.default is None:
        return
    if feature.function in _NEVER_MISSING:
        found = f"a default for a {feature.function}"
        yield Problem("default", found, "remove it: without events it is 0")
        return
    type_ = FeatureType.ENUM if feature.values else FeatureType.NUMBER
    default = float(feature.default) if isinstance(feature.default, bool) else feature.default
    try:
        ValueSpec(type_, feature.values).encode(default)
    except BadValueError as error:
        yield Problem("default", f"default, {error.found}", error.expected)


def _property_problems(feature: AggregateFeature, event: EventDefinition) -> Iterator[Problem]:
    function = feature.function
    if not takes_value(function) and function not in _WORDED:
        if feature.property is not None:
            yield Problem("property", f"a property for a {function}", "remove it, or use a sum")
        return
    wanted = {PropertyType.STRING if function in _WORDED else PropertyType.NUMBER}
    if function in _ENDS:
        wanted = set(PropertyType)
    expected = _properties(event, *sorted(wanted))
    if feature.property is None:
        yield Problem("function", f"a {function} without a property", expected)
        return
    type_ = event.properties.get(feature.property)
    if type_ is None:
        yield Problem("property", f"property {feature.property!r} is not declared", expected)
    elif type_ not in wanted:
        yield Problem("property", f"property {feature.property!r} is a {type_}", expected)
    elif function in _ENDS and (type_ is PropertyType.STRING) != bool(feature.values):
        expected = "list them for a string, and only for one"
        yield Problem("values", f"values of a {type_} property", expected)


def _properties(event: EventDefinition, *types: PropertyType) -> str:
    names = [name for name, type_ in event.properties.items() if type_ in types]
    return f"{' or '.join(types)} properties of {event.name!r}: {', '.join(names) or 'none'}"
