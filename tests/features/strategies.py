"""Random shops and random days: what a feature store may be told, and what happens to it then.

One generator makes every case, from choices that hypothesis or a seeded generator takes: so a
property that is tested on hundreds of shrinkable cases is measured on tens of thousands of the same
kind. Definitions are documents, as ``features/*.yaml`` holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

from nba.domain.catalog import Action, Catalog, Direction, Placement
from nba.domain.customer import Event
from nba.domain.ids import ActionId, CustomerId, PlacementId, Term
from nba.domain.taxonomy import Taxonomy
from tests.features.slow_store import Contact, Document, seconds_of

Option = TypeVar("Option")

CUSTOMERS = ("anna", "bert 🦊", "דנה")
WORDS = ("home", "maison 🎁", "שלום", "a\\b")
OTHER_WORDS = ("", "אחר", "e\u0301", "x" * 300)
TIERS = ("none", "silver", "gold")
TERMS = ("loan", "card")
ACTIONS = ("gold_card", "home_loan", "tips")
PRODUCTS = {"gold_card": "product:credit/card", "home_loan": "product:credit/loan"}
PLACEMENTS = {"email.body": "email", "web.hero": "web", "push": "push"}
EVENTS: tuple[Document, ...] = (
    {
        "name": "buy",
        "description": "",
        "properties": {
            "amount": "number",
            "price": "number",
            "category": "string",
            "brand": "string",
            "gift": "bool",
        },
    },
    {"name": "visit", "description": "", "properties": {"page": "string", "seconds": "number"}},
    {"name": "open", "description": "", "properties": {}},
)
CATALOG = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy(),
    actions=tuple(
        Action(
            id=ActionId(name), name="", terms=(Term(PRODUCTS[name]),) if name in PRODUCTS else ()
        )
        for name in (*ACTIONS, *WORDS, *OTHER_WORDS)
    ),
    contents=(),
    placements=tuple(
        Placement(id=PlacementId(name), channel=channel, direction=Direction.INBOUND)
        for name, channel in PLACEMENTS.items()
    ),
)
"""Actions are also named as words that customers use, so that crosses meet groups of events."""

SOURCES: Mapping[str, Sequence[str]] = {
    "action.id": (*ACTIONS, *WORDS, *OTHER_WORDS),
    "action.term:product@1": ("credit",),
    "action.term:product@2": ("credit/card", "credit/loan"),
    "placement.id": tuple(PLACEMENTS),
    "placement.channel": tuple(PLACEMENTS.values()),
}
"""What each source of a cross can be in ``CATALOG``."""

WINDOWS = ("1h", "2h", "5h", "7h", "23h", "1d", "3d", "7d", "30d", "13w", "365d")
HALF_LIVES = ("1h", "7h", "1d", "14d", "365d")
AMOUNTS = (0.0, -0.0, 1.0, 2.5, -3.25, 100.0, 100.25, 7, 0.1, 1e-30, 1e30, -1e30, 123_456_789.5)
REFUSED_AMOUNTS = (1.1e30, float("inf"), float("nan"), True, "7")

_MOMENTS = tuple(
    round(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1_000)
    for moment in (
        "2026-03-29T01:00:00",  # clocks go forward in Europe
        "2026-10-25T01:00:00",  # and back
        "2026-03-08T07:00:00",  # forward in New York
        "2026-03-08T10:00:00",  # and in Los Angeles
        "2026-11-01T06:00:00",  # and back
        "2028-02-29T00:00:00",
        "2026-01-01T00:00:00",
        "2038-01-19T03:14:07",  # seconds no longer fit 31 bits
    )
)
_MAX_AHEAD_MS = 300_000
_TILES = 12


class Chance(Protocol):
    """Where choices come from."""

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both possible."""
        ...

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of some options; simpler ones come first."""
        ...


class SeededChance:
    """Choices of a numpy generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both possible."""
        return low + int(self._rng.random() * (high - low + 1))

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of some options."""
        return options[int(self._rng.random() * len(options))]


class DrawnChance:
    """Choices of hypothesis, which it shrinks."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both possible."""
        return self._draw(st.integers(low, high))

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of some options."""
        return self._draw(st.sampled_from(options))


@dataclass(frozen=True)
class Declared:
    """What one ``features`` folder says."""

    features: tuple[Document, ...]
    segments: tuple[Document, ...]


@dataclass(frozen=True)
class Send:
    """Events that arrive together."""

    events: tuple[Event, ...]


@dataclass(frozen=True)
class Change:
    """An update of a customer's attributes."""

    customer: str
    attributes: Mapping[str, Any]
    at_ms: int


@dataclass(frozen=True)
class Ask:
    """A read of a customer's row."""

    customer: str
    at_ms: int
    context: Mapping[str, Any]
    attributes: Mapping[str, Any]
    history: tuple[Contact, ...]


Step = Send | Change | Ask


@dataclass(frozen=True)
class Case:
    """Definitions and what happens under them, in order of arrival."""

    declared: Declared
    steps: tuple[Step, ...]

    def end_ms(self) -> int:
        """Return the latest time at which anything happened, but for reads."""
        times = [
            event.received_at_ms
            for step in self.steps
            if isinstance(step, Send)
            for event in step.events
        ]
        times += [step.at_ms for step in self.steps if isinstance(step, Change)]
        return max(times, default=_MOMENTS[0])


def some(chance: Chance, options: Sequence[Option], most: int) -> list[Option]:
    """Return a few different options, in the order given."""
    chosen = {chance.integer(0, len(options) - 1) for _ in range(chance.integer(0, most))}
    return [options[i] for i in sorted(chosen)]


def one_in(chance: Chance, n: int) -> bool:
    """Say yes once in ``n`` times."""
    return chance.integer(0, n - 1) == n - 1


# Definitions


def make_declared(chance: Chance, *, most: int = 10, prefix: str = "x") -> Declared:
    """Make a set of definitions that is right, each named by ``prefix`` and a number."""
    features: list[Document] = []
    for i in range(chance.integer(1, most)):
        make = chance.pick(_MAKERS)
        features += make(chance, f"{prefix}{i}", features)
    segments: list[Document] = []
    for i in range(chance.integer(0, 2)):
        condition = _condition(chance, features, segments)
        segments.append({"name": f"s{i}", "description": "", "condition": condition})
    return Declared(tuple(features), tuple(segments))


def make_change(chance: Chance, declared: Declared) -> Declared:
    """Make what is declared next: some of it as it was or renamed, and some new."""
    kept = [one for one in declared.features if _stands_alone(one) and not one_in(chance, 3)]
    changed: list[Document] = []
    for feature in kept:
        if feature.get("type") == "enum" and one_in(chance, 2):
            changed.append({**feature, "values": tuple(reversed(feature["values"]))})
        elif feature["kind"] == "aggregate" and one_in(chance, 3):
            changed.append({**feature, "name": f"renamed_{feature['name']}"})
        else:
            changed.append(feature)
    new = make_declared(chance, most=4, prefix="y")
    return Declared((*changed, *new.features), new.segments)


def _stands_alone(feature: Document) -> bool:
    """Say whether a feature needs no other, and none may need it."""
    if feature["kind"] in {"attribute", "context"}:
        return True
    is_moved = feature["kind"] in {"aggregate", "interaction"}
    return is_moved and feature["function"] != "ratio" and "by" not in feature


def _aggregate(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    function, properties = chance.pick(_FUNCTIONS)
    event = chance.pick(EVENTS)
    typed = [key for key, type_ in event["properties"].items() if type_ in properties]
    if properties and not typed:
        event = EVENTS[0]
        typed = [key for key, type_ in event["properties"].items() if type_ in properties]
    feature: dict[str, Any] = {
        "name": name,
        "description": "",
        "kind": "aggregate",
        "event": event["name"],
        "function": function,
    }
    if properties:
        feature["property"] = chance.pick(typed)
    if function == "top" or (
        function in {"first", "last"} and event["properties"][feature["property"]] == "string"
    ):
        feature["values"] = tuple(WORDS[: chance.integer(1, len(WORDS))])
    if function == "top":
        feature["rank"] = chance.integer(1, len(feature["values"]))
    if function == "distinct" and not one_in(chance, 3):
        feature["limit"] = chance.integer(1, 4)
    if event["properties"] and one_in(chance, 2):
        feature["where"] = _where(chance, event["properties"], 2)
    if function.startswith("decayed"):
        feature["half_life"] = chance.pick(HALF_LIVES)
    elif function != "since_first" and not one_in(chance, 3):
        feature["window"] = _window(chance)
    if function in _MISSING and one_in(chance, 4):
        feature["default"] = _default(chance, event, feature)
    return [feature]


def _grouped(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    (feature,) = _aggregate(chance, name, before)
    words = [key for key, type_ in _properties(feature).items() if type_ == "string"]
    if feature["function"] not in GROUPED_FUNCTIONS or not words:
        return [feature]
    return _crossed(
        {**feature, "by": chance.pick(words), "limit": chance.integer(1, 5)}, "action.id"
    )


def _crossed(feature: Document, source: str) -> list[Document]:
    """Return a grouped feature, and a cross that reads it."""
    cross = {"name": f"{feature['name']}_cross", "description": "", "kind": "cross"}
    return [feature, {**cross, "of": feature["name"], "source": source}]


def _ratio(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    numbers = [one["name"] for one in before if _may_be_part(one)]
    if not numbers:
        return _aggregate(chance, name, before)
    feature: dict[str, Any] = {
        "name": name,
        "description": "",
        "kind": "aggregate",
        "function": "ratio",
        "numerator": chance.pick(numbers),
        "denominator": chance.pick(numbers),
    }
    if one_in(chance, 3):
        feature["default"] = -1.0
    return [feature]


def _may_be_part(feature: Document) -> bool:
    """Say whether a ratio may be of it."""
    return feature["kind"] == "aggregate" and feature["function"] != "ratio" and _is_number(feature)


def _interaction(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    function = chance.pick(("count", "recency", "decayed_count"))
    feature: dict[str, Any] = {
        "name": name,
        "description": "",
        "kind": "interaction",
        "of": chance.pick(("click", "decision", "accept")),
        "function": function,
    }
    if function == "decayed_count":
        feature["half_life"] = chance.pick(HALF_LIVES)
    if feature["of"] == "decision" or (function != "decayed_count" and one_in(chance, 2)):
        feature["window"] = _window(chance)
    if one_in(chance, 2):
        feature["where"] = chance.pick(
            (
                'properties.action == "gold_card"',
                'properties.channel != "email" && properties.action in ["tips", "home_loan"]',
                'properties.placement == "push" || properties.channel == "web"',
            )
        )
    if one_in(chance, 2):
        feature["by"], source = chance.pick(
            (
                ("action", "action.id"),
                ("placement", "placement.id"),
                ("channel", "placement.channel"),
                ("product@1", "action.term:product@1"),
                ("product@2", "action.term:product@2"),
            )
        )
        if feature["of"] != "decision":
            feature["limit"] = chance.integer(1, 3)
        return _crossed(feature, source)
    return [feature]


def _attribute(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    type_ = chance.pick(("number", "bool", "enum", "date", "set"))
    feature: dict[str, Any] = {
        "name": name,
        "description": "",
        "kind": "attribute",
        "type": type_,
    }
    if type_ == "enum":
        feature["values"] = TIERS
    if type_ == "set":
        feature["values"] = TERMS
    if type_ != "set" and one_in(chance, 4):
        feature["default"] = {"number": 18, "bool": True, "enum": "silver", "date": 30.0}[type_]
    if one_in(chance, 3):
        feature["freshness"] = chance.pick(("1h", "1d", "90d"))
    return [feature]


def _context(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    type_ = chance.pick(("number", "bool", "enum"))
    feature: dict[str, Any] = {
        "name": name,
        "description": "",
        "kind": "context",
        "type": type_,
    }
    if type_ == "enum":
        feature["values"] = TIERS
    return [feature]


def _derived(chance: Chance, name: str, before: Sequence[Document]) -> list[Document]:
    feature = {"name": name, "description": "", "kind": "derived"}
    numbers = _paths(before, "number")
    if numbers and not one_in(chance, 3):
        left, right = chance.pick(numbers), chance.pick([*numbers, "2.0", "0.1"])
        sign = chance.pick(("+", "-", "*", "/"))
        return [{**feature, "type": "number", "expression": f"{left} {sign} {right}"}]
    condition = _condition(chance, before, ())
    return [{**feature, "type": "bool", "expression": condition}]


_MAKERS: tuple[Callable[[Chance, str, Sequence[Document]], list[Document]], ...] = (
    _aggregate,
    _aggregate,
    _aggregate,
    _aggregate,
    _aggregate,
    _attribute,
    _attribute,
    _ratio,
    _derived,
    _grouped,
    _grouped,
    _interaction,
    _context,
)
_FUNCTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("count", ()),
    ("sum", ("number",)),
    ("mean", ("number",)),
    ("min", ("number",)),
    ("max", ("number",)),
    ("first", ("number", "bool", "string")),
    ("last", ("number", "bool", "string")),
    ("distinct", ("string",)),
    ("recency", ()),
    ("since_first", ()),
    ("top", ("string",)),
    ("decayed_count", ()),
    ("decayed_sum", ("number",)),
)
_MISSING = frozenset({"mean", "min", "max", "first", "last", "recency", "since_first", "top"})
GROUPED_FUNCTIONS = frozenset(
    {"count", "sum", "min", "max", "recency", "decayed_count", "decayed_sum"}
)


def _window(chance: Chance) -> str:
    return f"{chance.integer(1, 8_760)}h" if one_in(chance, 4) else chance.pick(WINDOWS)


def _properties(feature: Document) -> Mapping[str, str]:
    event = next(event for event in EVENTS if event["name"] == feature["event"])
    properties: Mapping[str, str] = event["properties"]
    return properties


def _default(chance: Chance, event: Document, feature: Document) -> float | bool | str:
    if "values" in feature:
        return str(chance.pick(feature["values"]))
    if event["properties"].get(feature.get("property")) == "bool":
        return True
    return chance.pick((999.0, 0.0))


def _is_number(feature: Document) -> bool:
    if feature["kind"] == "cross":
        return False
    if feature["kind"] == "attribute":
        return feature["type"] in {"number", "date"}
    if feature["kind"] in {"context", "derived"}:
        return bool(feature["type"] == "number")
    if "by" in feature or feature["function"] == "top":
        return False
    if feature["function"] in {"first", "last"}:
        return _properties(feature)[feature["property"]] == "number"
    return True


def _where(chance: Chance, properties: Mapping[str, str], depth: int) -> str:
    """Return a condition over properties."""
    if depth and one_in(chance, 2):
        left, right = (_where(chance, properties, depth - 1) for _ in range(2))
        sign = chance.pick(("&&", "||"))
        return chance.pick((f"({left}) {sign} ({right})", f"!({left})"))
    name = chance.pick(list(properties))
    path = f"properties.{name}"
    quoted = ['"' + word.replace("\\", "\\\\") + '"' for word in (*WORDS, *OTHER_WORDS[:2])]
    match properties[name]:
        case "number":
            bound = chance.pick(("0.0", "100.0", "2.5", "-3.25"))
            sign = chance.pick((">", ">=", "<", "==", "!="))
            return chance.pick(
                (f"{path} {sign} {bound}", f"has({path})", f"{path} * 2.0 > {bound}")
            )
        case "bool":
            return chance.pick((path, f"!{path}", f"has({path})"))
        case _:
            other, word = chance.pick(quoted), f'(has({path}) ? {path} : "home")'
            return chance.pick(
                (
                    f"{path} == {chance.pick(quoted)}",
                    f"{path} in [{chance.pick(quoted)}, {chance.pick(quoted)}]",
                    f"{path} != {chance.pick(quoted)}",
                    f"{word} == {other}",
                )
            )


def _paths(features: Sequence[Document], type_: str) -> list[str]:
    """Return the symbols of numbers, or of bools."""
    found = []
    for feature in features:
        path = f"{'request' if feature['kind'] == 'context' else 'customer'}.{feature['name']}"
        is_number = feature["kind"] != "attribute" or feature["type"] != "set"
        if feature["kind"] in {"attribute", "context", "derived"}:
            if type_ == "bool" and feature["type"] == "bool":
                found.append(path)
            if type_ == "bool" and feature["type"] == "set":
                found += [f'"{word}" in {path}' for word in feature["values"]]
            if type_ == "bool" and feature["type"] == "enum":
                found.append(f'{path} == "{feature["values"][0]}"')
        elif type_ == "bool" and "values" in feature and "by" not in feature:
            found.append(f'{path} != "{feature["values"][0].replace(chr(92), chr(92) * 2)}"')
        if type_ == "number" and is_number and _is_value(feature) and _is_number(feature):
            found.append(path)
    return found


def _is_value(feature: Document) -> bool:
    return "by" not in feature


def _condition(chance: Chance, features: Sequence[Document], segments: Sequence[Document]) -> str:
    """Return a condition over features and segments."""
    parts = [*_paths(features, "bool"), *[f"segment.{one['name']}" for one in segments]]
    for path in _paths(features, "number"):
        parts += [f"{path} >= 1.0", f"has({path})"]
    if not parts:
        return "true"
    left, right = chance.pick(parts), chance.pick(parts)
    return chance.pick((left, f"!({left})", f"{left} && {right}", f"{left} || {right}"))


# Days


def make_case(chance: Chance, *, most_features: int = 10, most_steps: int = 30) -> Case:
    """Make definitions and what happens under them; one in three is of few definitions."""
    few = one_in(chance, 3)
    declared = make_declared(chance, most=2 if few else most_features)
    return Case(declared, make_steps(chance, declared, most=most_steps))


def make_changed_case(chance: Chance, before: Case, *, most_steps: int = 20) -> Case:
    """Make what is declared after a case, and what happens to its customers then."""
    declared = make_change(chance, before.declared)
    start_ms = before.end_ms()
    return Case(
        declared, make_steps(chance, declared, most=most_steps, start_ms=start_ms, prefix="n")
    )


def make_steps(
    chance: Chance,
    declared: Declared,
    *,
    most: int = 30,
    start_ms: int | None = None,
    prefix: str = "m",
) -> tuple[Step, ...]:
    """Make what happens: the clock only goes forward, and every read is at or after it.

    It begins at ``start_ms``, or anywhere; ``prefix`` sets its messages apart from others.
    """
    day = _Day(chance, declared, start_ms, prefix)
    for _ in range(chance.integer(1, most)):
        day.step()
    for customer in CUSTOMERS:
        day.ask(customer)
    return tuple(day.steps)


class _Day:
    """A clock, and what happens as it goes; :func:`make_steps` gives the parameters."""

    def __init__(
        self, chance: Chance, declared: Declared, start_ms: int | None, prefix: str
    ) -> None:
        self.steps: list[Step] = []
        self._chance = chance
        self._features = declared.features
        self._prefix = prefix
        self._now_ms = chance.pick(_MOMENTS) if start_ms is None else start_ms
        self._now_ms += chance.pick((0, 1, 3_600_000, 86_399_999))
        windows = {feature["window"] for feature in declared.features if "window" in feature}
        tiles = sorted(seconds_of(window) // _TILES for window in windows) or [300]
        self._tiles_ms = [tile * 1_000 for tile in tiles]
        counted = {feature.get("event") for feature in declared.features}
        self._kinds = [kind for kind in EVENTS if kind["name"] in counted] or EVENTS
        self._events: list[Event] = []
        self._changed_ms: list[int] = []
        self._contacts: dict[str, list[Contact]] = {customer: [] for customer in CUSTOMERS}

    def step(self) -> None:
        """Let one thing happen."""
        chance = self._chance
        self._go()
        customer = CUSTOMERS[min(chance.integer(0, 5), 2)]
        match chance.integer(0, 10):
            case 10:
                self._span(customer)
            case 0 | 1:
                self.ask(customer)
            case 2:
                self._change(customer)
            case 3:
                self.steps.append(Send(tuple(self._event() for _ in range(chance.integer(2, 6)))))
            case 4:
                self._decide(customer)
            case _:
                self.steps.append(Send((self._event(customer),)))

    def ask(self, customer: str) -> None:
        """Ask now, or at an edge still to come: of a tile, or of what is fresh."""
        chance = self._chance
        at_ms = self._now_ms
        fresh = [feature["freshness"] for feature in self._features if "freshness" in feature]
        if self._changed_ms and fresh and one_in(chance, 2):
            stale_s = chance.pick(self._changed_ms) // 1_000 + seconds_of(chance.pick(fresh))
            at_ms = max(1_000 * stale_s + chance.pick((0, 1)), at_ms)
        elif one_in(chance, 2):
            tile_ms = chance.pick(self._tiles_ms)
            edge = (at_ms // tile_ms + chance.pick((1, 2, 11, 12, 13))) * tile_ms
            at_ms = max(edge + chance.pick((0, -1, 1)), at_ms)
        context = {
            feature["name"]: self._value(feature)
            for feature in self._features
            if feature["kind"] == "context" and one_in(chance, 2)
        }
        inline = {
            feature["name"]: self._value(feature)
            for feature in self._features
            if feature["kind"] == "attribute" and one_in(chance, 6)
        }
        history = tuple(self._contacts[customer])
        self.steps.append(Ask(customer, at_ms, context, inline, history))

    def _go(self) -> None:
        """Move the clock on: not at all, a little, or to where a window changes."""
        chance = self._chance
        tile_ms = chance.pick(self._tiles_ms)
        match chance.integer(0, 7):
            case 0 | 1 | 2:
                self._now_ms += chance.integer(0, 2_000)
            case 3:
                self._now_ms = (self._now_ms // tile_ms + 1) * tile_ms
            case 4:
                self._now_ms = (self._now_ms // tile_ms + 1) * tile_ms - 1
            case 5:
                self._now_ms += chance.integer(0, tile_ms)
            case 6:
                self._now_ms += chance.pick((1, 6, 11, 12, 13)) * tile_ms
            case _:
                pass

    def _event(self, customer: str | None = None, at_ms: int | None = None) -> Event:
        chance = self._chance
        if self._events and at_ms is None and one_in(chance, 8):
            return self._again(chance.pick(self._events))
        properties: dict[str, Any]
        if one_in(chance, 6):
            name = chance.pick(("nba.click", "nba.accept"))
            properties = dict(_outcome(chance))
        else:
            kind = chance.pick(EVENTS if one_in(chance, 4) else self._kinds)
            name, properties = kind["name"], {}
            for key, type_ in kind["properties"].items():
                if not one_in(chance, 4):
                    properties[key] = self._property(type_)
        if one_in(chance, 40):
            properties["amount"] = chance.pick(REFUSED_AMOUNTS)
        event = Event(
            customer_id=CustomerId(customer or chance.pick(CUSTOMERS)),
            name=name,
            message_id=f"{self._prefix}{len(self._events)}",
            at_ms=self._event_time() if at_ms is None else at_ms,
            received_at_ms=self._now_ms,
            properties=properties,
        )
        self._events.append(event)
        return event

    def _span(self, customer: str) -> None:
        """Let events fill a window from its oldest tile to the one after the current."""
        chance = self._chance
        tile_ms = chance.pick(self._tiles_ms)
        edge = (self._now_ms // tile_ms + 1) * tile_ms
        self._now_ms = max(self._now_ms, edge - chance.pick((1, _MAX_AHEAD_MS)))
        times = [edge - 12 * tile_ms, edge - 13 * tile_ms, edge]
        events = [self._event(customer, at_ms) for at_ms in times[chance.integer(0, 1) :]]
        self.steps.append(Send(tuple(events)))
        self.steps.append(Ask(customer, self._now_ms, {}, {}, tuple(self._contacts[customer])))

    def _again(self, event: Event) -> Event:
        """Return a message sent again, as clients do."""
        return Event(
            customer_id=event.customer_id,
            name=event.name,
            message_id=event.message_id,
            at_ms=event.at_ms,
            received_at_ms=self._now_ms,
            properties=event.properties,
        )

    def _event_time(self) -> int:  # noqa: PLR0911 - one case a kind of lateness
        """Return when an event happened: just now, ahead, late, or at the edge of a tile."""
        chance, now_ms = self._chance, self._now_ms
        tile_ms = chance.pick(self._tiles_ms)
        match chance.integer(0, 11):
            case 0 | 1 | 2:
                return now_ms
            case 3:
                return now_ms - chance.integer(0, 5_000)
            case 8 if self._events:
                # In the same second as another, of any customer.
                return chance.pick(self._events).at_ms // 1_000 * 1_000 + chance.integer(0, 999)
            case 9:
                return min((now_ms // tile_ms + 1) * tile_ms, now_ms + _MAX_AHEAD_MS)
            case 4:
                return now_ms + chance.pick((_MAX_AHEAD_MS, 1, chance.integer(0, _MAX_AHEAD_MS)))
            case 5:
                return now_ms - chance.integer(0, 14 * tile_ms)
            case 6:
                return now_ms - chance.pick((365, 400, 3_000)) * 86_400_000
            case 7 if one_in(chance, 5):
                return now_ms + _MAX_AHEAD_MS + 1
            case _:
                tiles = chance.pick((0, 1, 6, 11, 12, 13, 14))
                edge = (now_ms // tile_ms - tiles) * tile_ms
                return edge + chance.pick((0, -1, 1, -1_000, 999))

    def _property(self, type_: str) -> float | bool | str:
        chance = self._chance
        match type_:
            case "number":
                if one_in(chance, 2):
                    return chance.integer(-4_000, 4_000) / 4
                return chance.pick(AMOUNTS)
            case "bool":
                return chance.pick((True, False))
            case _:
                return chance.pick((*WORDS, *OTHER_WORDS))

    def _change(self, customer: str) -> None:
        chance = self._chance
        attributes = {
            feature["name"]: None if one_in(chance, 5) else self._value(feature)
            for feature in self._features
            if feature["kind"] == "attribute" and one_in(chance, 2)
        }
        if one_in(chance, 5):
            attributes["undeclared"] = 1
        self.steps.append(Change(customer, attributes, self._now_ms))
        self._changed_ms.append(self._now_ms)

    def _value(self, feature: Document) -> Any:
        chance = self._chance
        match feature["type"]:
            case "number":
                return self._property("number")
            case "bool":
                return chance.pick((True, False))
            case "enum":
                return chance.pick(feature["values"])
            case "date":
                return chance.pick(("2026-03-29", "1970-01-01", "1931-12-31", "2030-06-15"))
            case _:
                return some(chance, feature["values"], 2)

    def _decide(self, customer: str) -> None:
        contact = Contact(self._now_ms // 1_000, _outcome(self._chance))
        self._contacts[customer].append(contact)


def _outcome(chance: Chance) -> dict[str, str]:
    """Return what an outcome says of its decision."""
    action, placement = chance.pick(ACTIONS), chance.pick(tuple(PLACEMENTS))
    said = {"action": action, "placement": placement, "channel": PLACEMENTS[placement]}
    if action in PRODUCTS:
        path = PRODUCTS[action].partition(":")[2]
        said |= {"term_product_1": path.partition("/")[0], "term_product_2": path}
    return said


@st.composite
def changed_cases(draw: st.DrawFn) -> tuple[Case, Case]:
    """Draw a case, and what happens to its customers once other things are declared."""
    chance = DrawnChance(draw)
    before = make_case(chance, most_features=6, most_steps=10)
    return before, make_changed_case(chance, before, most_steps=8)


@st.composite
def cases(draw: st.DrawFn, *, most_features: int = 8, most_steps: int = 16) -> Case:
    """Draw a case."""
    return make_case(DrawnChance(draw), most_features=most_features, most_steps=most_steps)
