"""A feature store that is slow and obvious: it keeps every event, and looks at all of them.

It answers what the real one must answer, and shares nothing with it but the words of the documents
it is given (features, events and segments as ``features/*.yaml`` hold them) and the reference
interpreter of conditions. No tiles are counted, nothing is packed, nothing is ever pruned.

Order of application is the order in which :meth:`SlowStore.send` is called.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from nba.domain.customer import Event
from nba.domain.ids import hash32
from nba.expressions import Level, Symbol, Value, ValueType, interpret, member_path, parse

Document = Mapping[str, Any]
"""One entry of ``features:``, ``events:`` or ``segments:``, as YAML gives it."""

TILES = 12
MAX_AHEAD_MS = 300_000
EARLIEST_MS = 315_532_800_000
LARGEST = 1e30
DAY_S = 86_400
DAY_MS = 86_400_000
DEFAULT_LIMIT = {"distinct": 50, "by": 64}
OUTCOME_PROPERTIES = {"action": "string", "placement": "string", "channel": "string"}

_SECONDS = {"h": 3_600, "d": DAY_S, "w": 7 * DAY_S}
_NAN = math.nan
_ZERO_WITHOUT_EVENTS = frozenset({"count", "sum", "distinct", "decayed_count", "decayed_sum"})
_TYPES = {
    "number": ValueType.NUMBER,
    "date": ValueType.NUMBER,
    "bool": ValueType.BOOL,
    "enum": ValueType.STRING,
    "string": ValueType.STRING,
}


class Answer(NamedTuple):
    """A value, NaN where missing, and the magnitude of what was summed up for it.

    A ``scale`` of infinity says that the order of summation alone decides the value.
    """

    value: float
    scale: float = 0.0


class Entry(NamedTuple):
    """One event as one feature sees it; ``number`` is its place in the order of arrival.

    ``merged`` says that it came with the profile of another customer.
    """

    seconds: int
    received: int
    number: int
    amount: float
    key: str
    merged: bool = False


class Contact(NamedTuple):
    """One decision made for a customer, with the properties that an outcome of it would have."""

    at_s: int
    said: Mapping[str, str]


def seconds_of(length: str) -> int:
    """Return the seconds in ``30d``."""
    return int(length[:-1]) * _SECONDS[length[-1]]


def agree(expected: Answer, found: float) -> bool:
    """Say whether a float32 of the row is the expected value, but for the order of summation."""
    if math.isinf(expected.scale):
        return True
    with np.errstate(over="ignore"):
        wanted = float(np.float32(expected.value))
    if math.isnan(wanted) or math.isnan(found):
        return math.isnan(wanted) and math.isnan(found)
    if math.isinf(wanted) or math.isinf(found):
        return wanted == found
    if wanted == 0.0 and expected.scale == 0.0:
        return found == 0.0 and math.copysign(1.0, found) == math.copysign(1.0, expected.value)
    return abs(wanted - found) <= 1e-6 * abs(wanted) + 1e-12 * expected.scale + 1e-38


class SlowStore:
    """Everything that was accepted, and every answer computed from all of it.

    Parameters
    ----------
    features, events, segments
        The documents; taken to be right.
    words
        What each source of a cross can be, as the catalog has it.

    """

    def __init__(
        self,
        features: Iterable[Document],
        events: Iterable[Document],
        segments: Iterable[Document] = (),
        *,
        words: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._words = words or {}
        self.features = {feature["name"]: feature for feature in features}
        self.segments = {segment["name"]: segment for segment in segments}
        self._properties = {event["name"]: event.get("properties", {}) for event in events}
        self._arrived: dict[str, list[tuple[int, Event]]] = {}
        self._merged: set[int] = set()
        self._messages: dict[tuple[str, str], int] = {}
        self._attributes: dict[str, dict[str, tuple[Any, int]]] = {}
        self._since: dict[str, int] = {}
        self._number = 0

    # What comes in

    def refuses(self, event: Event) -> bool:
        """Say whether an event is undeclared or wrong, so that nothing of it is kept."""
        if not EARLIEST_MS <= event.at_ms <= event.received_at_ms + MAX_AHEAD_MS:
            return True
        declared = self._declared(event.name)
        if declared is None:
            return True
        return any(
            not _fits(declared[name], value)
            for name, value in event.properties.items()
            if name in declared and value is not None
        )

    def repeats(self, event: Event) -> bool:
        """Say whether its message was applied today or yesterday."""
        day = self._messages.get((event.customer_id, event.message_id))
        return day is not None and day >= event.received_at_ms // DAY_MS - 1

    def send(self, event: Event) -> bool:
        """Keep an event, unless it is refused or repeated; return whether it was kept."""
        if self.refuses(event) or self.repeats(event):
            return False
        day = event.received_at_ms // DAY_MS
        self._messages[event.customer_id, event.message_id] = day
        self._arrived.setdefault(event.customer_id, []).append((self._number, event))
        self._number += 1
        return True

    def update(self, customer: str, attributes: Mapping[str, Any], at_ms: int) -> None:
        """Set attributes; ``None`` clears one, and one that is not declared is dropped."""
        kept = self._attributes.setdefault(customer, {})
        for name, value in attributes.items():
            if name in self.features:
                kept[name] = (value, at_ms)

    def merge(self, customer: str, other: str) -> None:
        """Give a customer what another has; of two as good, the customer's own is kept.

        Groups are exact until either customer's next event.
        """
        for _, event in self._arrived.pop(other, []):
            self._arrived.setdefault(customer, []).append((self._number, event))
            self._merged.add(self._number)
            self._number += 1
        theirs = self._attributes.pop(other, {})
        mine = self._attributes.setdefault(customer, {})
        for name, (value, at_ms) in theirs.items():
            if mine.get(name, (None, 0))[0] is None:
                mine[name] = (value, at_ms)

    def redeclare(self, features: Iterable[Document], segments: Iterable[Document] = ()) -> None:
        """Change what is declared: what was not computed before sees only events from now on.

        An attribute that is not declared any more, or is of another type, is forgotten.
        """
        before = {_meaning(feature) for feature in self.features.values()}
        changed = {feature["name"]: feature for feature in features}
        for name, feature in changed.items():
            if _meaning(feature) not in before:
                self._since[name] = self._number
        same = {
            name
            for name, feature in changed.items()
            if name in self.features and self.features[name].get("type") == feature.get("type")
        }
        for customer, kept in self._attributes.items():
            self._attributes[customer] = {name: kept[name] for name in kept if name in same}
        self.features = changed
        self.segments = {segment["name"]: segment for segment in segments}

    def since_ever(self) -> SlowStore:
        """Return the same, as if everything declared now had always been."""
        other = copy(self)
        other._since = {}
        return other

    # What is asked

    def base(
        self,
        customer: str,
        at_ms: int,
        *,
        context: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        history: Sequence[Contact] = (),
    ) -> dict[str, Answer]:
        """Return the columns that are computed from nothing but what came in."""
        row: dict[str, Answer] = {}
        for name, feature in self.features.items():
            match feature["kind"]:
                case "attribute":
                    row |= self._attribute(customer, feature, at_ms, attributes or {})
                case "context":
                    given = (context or {}).get(name)
                    row |= _columns(feature, given, at_ms)
                case "aggregate" | "interaction" if _is_column(feature):
                    answer = self._aggregate(customer, feature, at_ms, history)
                    row[name] = _or_default(feature, answer)
                case "cross":
                    row |= self._cross(customer, feature, at_ms, history)
        return row

    def composed(self, base: Mapping[str, float]) -> dict[str, float]:
        """Return the columns that are computed from other columns, given those."""
        row = dict(base)
        wanted = [name for name, item in self.features.items() if item["kind"] == "derived"]
        wanted += [f"segment_{name}" for name in self.segments]
        for name in wanted:
            self._compose(name, row)
        return {name: row[name] for name in wanted}

    def read(self, customer: str, at_ms: int, **more: Any) -> dict[str, float]:
        """Return every column of the row by name; arguments as for :meth:`base`."""
        base = {name: answer.value for name, answer in self.base(customer, at_ms, **more).items()}
        return base | self.composed(base)

    def groups(
        self, customer: str, name: str, at_ms: int, *, history: Sequence[Contact] = ()
    ) -> dict[str, Answer]:
        """Return the value of a grouped aggregate for each group that it has events of."""
        feature = self.features[name]
        entries = self._entries(customer, feature, history)
        groups = _within_groups(feature, _remembered(feature, entries), at_ms)
        return {key: _answer(feature, found, at_ms) for key, found in groups.items()}

    # How it is computed

    def _declared(self, event_name: str) -> Mapping[str, str] | None:
        prefix, _, kind = event_name.partition("nba.")
        if kind and not prefix:
            kinds = {feature.get("of") for feature in self.features.values()}
            return OUTCOME_PROPERTIES if kind in kinds else None
        return self._properties.get(event_name)

    def _cross(
        self, customer: str, feature: Document, at_ms: int, history: Sequence[Contact]
    ) -> dict[str, Answer]:
        """Return the value of every group that a candidate can be of."""
        of = self.features[feature["of"]]
        found = self.groups(customer, of["name"], at_ms, history=history)
        nothing = Answer(of.get("default", 0.0 if of["function"] in _ZERO_WITHOUT_EVENTS else _NAN))
        return {
            f"{feature['name']}[{word}]": found.get(word, nothing)
            for word in self._words[feature["source"]]
        }

    def _attribute(
        self, customer: str, feature: Document, at_ms: int, inline: Mapping[str, Any]
    ) -> dict[str, Answer]:
        name = feature["name"]
        if name in inline:
            return _columns(feature, inline[name], at_ms)
        value, set_ms = self._attributes.get(customer, {}).get(name, (None, 0))
        if "freshness" in feature:
            age_s = at_ms / 1_000 - set_ms // 1_000
            value = None if age_s > seconds_of(feature["freshness"]) else value
        return _columns(feature, value, at_ms)

    def _aggregate(
        self, customer: str, feature: Document, at_ms: int, history: Sequence[Contact]
    ) -> Answer:
        """Return the value of an aggregate, before its default."""
        if feature["function"] == "ratio":
            parts = (self.features[feature[part]] for part in ("numerator", "denominator"))
            return _ratio(*[self._aggregate(customer, part, at_ms, history) for part in parts])
        entries = self._entries(customer, feature, history)
        return _answer(feature, _within(feature, entries, at_ms), at_ms)

    def _entries(self, customer: str, feature: Document, history: Sequence[Contact]) -> list[Entry]:
        """Return the events that count for a feature, in order of arrival."""
        if feature.get("of") == "decision":
            arrived = [(i, _as_event(customer, contact)) for i, contact in enumerate(history)]
            event_name = "nba.decision"
        else:
            since = self._since.get(feature["name"], 0)
            arrived = [one for one in self._arrived.get(customer, []) if one[0] >= since]
            event_name = feature["event"] if "event" in feature else f"nba.{feature['of']}"
        properties = self._declared(event_name) or OUTCOME_PROPERTIES
        entries = []
        for number, event in arrived:
            if event.name != event_name or not _holds(feature.get("where"), properties, event):
                continue
            amount = _amount(feature, event.properties)
            key = event.properties.get(_key_property(feature), "")
            if amount is None or (_key_property(feature) and not _counts_key(feature, event)):
                continue
            at_s, received_s = event.at_ms // 1_000, event.received_at_ms // 1_000
            entry = Entry(at_s, received_s, number, amount, str(key), number in self._merged)
            if not _arrived_too_late(feature, entry):
                entries.append(entry)
        return entries

    def _compose(self, name: str, row: dict[str, float]) -> float:
        if name in row:
            return row[name]
        if name.startswith("segment_"):
            source, type_ = self.segments[name.removeprefix("segment_")]["condition"], "bool"
        else:
            source, type_ = self.features[name]["expression"], self.features[name]["type"]
        symbols = self.symbols()
        expression = parse(source, symbols, expect=_TYPES[type_])
        values = {
            symbol.path: _word(symbol, self._compose(_column(symbol.path), row))
            for symbol in expression.symbols
        }
        found = interpret(expression, values)
        with np.errstate(over="ignore"):
            row[name] = float(np.float32(_NAN if found is None else found))
        return row[name]

    def symbols(self) -> dict[str, Symbol]:
        """Return what expressions may read: ``customer.*``, ``request.*`` and ``segment.*``."""
        found: dict[str, Symbol] = {}
        for name, feature in self.features.items():
            if not (_is_column(feature) or feature["kind"] == "derived"):
                continue
            path = f"{'request' if feature['kind'] == 'context' else 'customer'}.{name}"
            if self._type(feature) == "set":
                for word in feature["values"]:
                    member = member_path(path, word)
                    found[member] = Symbol(member, ValueType.BOOL, Level.SITUATION, 0)
                continue
            type_ = _TYPES[self._type(feature)]
            values = tuple(feature.get("values", ())) if type_ is ValueType.STRING else ()
            found[path] = Symbol(path, type_, Level.SITUATION, 0, values)
        for name in self.segments:
            path = f"segment.{name}"
            found[path] = Symbol(path, ValueType.BOOL, Level.SITUATION, 0)
        return found

    def _type(self, feature: Document) -> str:
        if feature["kind"] not in {"aggregate", "interaction"}:
            return str(feature["type"])
        if feature["function"] == "top":
            return "enum"
        if feature["function"] in {"first", "last"}:
            declared = self._declared(feature["event"]) or {}
            return {"string": "enum"}.get(declared[feature["property"]]) or declared[
                feature["property"]
            ]
        return "number"


def _fits(type_: str, value: Any) -> bool:
    match type_:
        case "number":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and -LARGEST <= value <= LARGEST
        case "bool":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _meaning(feature: Document) -> str:
    """Return what a feature computes, whatever it is called."""
    said = {"name", "description", "owner", "unit", "tags", "default", "rank"}
    return repr(sorted((key, value) for key, value in feature.items() if key not in said))


def _is_column(feature: Document) -> bool:
    if feature["kind"] in {"aggregate", "interaction"}:
        return "by" not in feature
    return feature["kind"] in {"attribute", "context"}


def _columns(feature: Document, value: Any, at_ms: int) -> dict[str, Answer]:
    """Return the column of a value given, or of its default where it is missing."""
    name, type_, default = feature["name"], feature["type"], feature.get("default")
    if type_ == "set":
        words = default if value is None else value
        return {
            member_path(name, word): Answer(_NAN if words is None else float(word in words))
            for word in feature["values"]
        }
    if type_ == "date" and value is not None:
        days = (date.fromisoformat(value) - date(1970, 1, 1)).days
        return {name: Answer(at_ms / 1_000 / DAY_S - days)}
    found = default if value is None else value
    if found is None:
        return {name: Answer(_NAN)}
    return {name: Answer(float(feature["values"].index(found) if type_ == "enum" else found) + 0.0)}


def _or_default(feature: Document, answer: Answer) -> Answer:
    default = feature.get("default")
    if not math.isnan(answer.value) or default is None:
        return answer
    if isinstance(default, str):
        default = feature["values"].index(default)
    return Answer(float(default))


def _as_event(customer: Any, contact: Contact) -> Event:
    at_ms = contact.at_s * 1_000
    return Event(
        customer_id=customer,
        name="nba.decision",
        message_id="",
        at_ms=at_ms,
        received_at_ms=at_ms,
        properties=contact.said,
    )


def _holds(where: str | None, declared: Mapping[str, str], event: Event) -> bool:
    if where is None:
        return True
    schema = {
        f"properties.{name}": Symbol(f"properties.{name}", _TYPES[type_], Level.SITUATION, 0)
        for name, type_ in declared.items()
    }
    values: dict[str, Value] = {
        f"properties.{name}": value for name, value in event.properties.items()
    }
    return interpret(parse(where, schema), values) is True


def _amount(feature: Document, properties: Mapping[str, Any]) -> float | None:
    """Return what an event gives to a feature, ``None`` where it does not count."""
    if feature["function"] in {"distinct", "top"} or "property" not in feature:
        return 1.0
    value = properties.get(feature["property"])
    if value is None:
        return None
    if isinstance(value, str):
        return float(feature["values"].index(value)) if value in feature["values"] else None
    return float(value) + 0.0


def _key_property(feature: Document) -> str:
    if feature["function"] in {"distinct", "top"}:
        return str(feature["property"])
    dimension, _, depth = str(feature.get("by", "")).partition("@")
    return f"term_{dimension}_{depth}" if depth else dimension


def _counts_key(feature: Document, event: Event) -> bool:
    value = event.properties.get(_key_property(feature))
    if value is None:
        return False
    return feature["function"] != "top" or value in feature["values"]


def _tile(seconds: int, feature: Document) -> int:
    return seconds // (seconds_of(feature["window"]) // TILES)


def _arrived_too_late(feature: Document, entry: Entry) -> bool:
    if feature.get("window") is None:
        return False
    return _tile(entry.seconds, feature) <= _tile(entry.received, feature) - TILES - 1


def _within(feature: Document, entries: Iterable[Entry], at_ms: int) -> list[Entry]:
    if feature.get("window") is None:
        return list(entries)
    oldest = _tile(at_ms // 1_000, feature) - TILES
    return [entry for entry in entries if _tile(entry.seconds, feature) > oldest]


def _remembered(feature: Document, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return groups as they are left by forgetting the oldest one whenever there are too many.

    Of a window only the tiles of a group are known, so how old it is is known in tiles.
    """
    if feature.get("of") == "decision":
        limit = sys.maxsize  # the contact history has its own bound
    else:
        limit = feature.get("limit", DEFAULT_LIMIT["by"])
    mine: dict[str, list[Entry]] = {}
    theirs: dict[str, list[Entry]] = {}
    for entry in entries:
        groups = theirs if entry.merged else mine
        groups.setdefault(entry.key, []).append(entry)
        _forget(feature, groups, limit)
    for key, merged in theirs.items():
        mine.setdefault(key, []).extend(merged)
    _forget(feature, mine, limit)
    return mine


def _forget(feature: Document, groups: dict[str, list[Entry]], limit: int) -> None:
    while len(groups) > limit:
        del groups[min(groups, key=lambda key: _age_order(feature, key, groups[key]))]


def _within_groups(
    feature: Document, groups: Mapping[str, list[Entry]], at_ms: int
) -> dict[str, list[Entry]]:
    within = {key: _within(feature, entries, at_ms) for key, entries in groups.items()}
    return {key: entries for key, entries in within.items() if entries}


def _latest(entries: Iterable[Entry]) -> int:
    return max(entry.seconds for entry in entries)


def _age_order(feature: Document, key: str, entries: list[Entry]) -> tuple[int, int]:
    latest = _latest(entries)
    if feature.get("window") is not None and feature["function"] not in {"last", "recency"}:
        latest = _tile(latest, feature)
    return latest, -hash32(key)


def _ratio(above: Answer, below: Answer) -> Answer:
    if below.scale and abs(below.value) <= 1e-12 * below.scale:
        return Answer(_NAN, math.inf)
    if not below.value:
        return Answer(_NAN)
    value = above.value / below.value
    scale = (above.scale + abs(value) * below.scale) / abs(below.value)
    return Answer(value, max(scale, 5e-324) if above.scale or below.scale else 0.0)


def _answer(feature: Document, entries: list[Entry], at_ms: int) -> Answer:  # noqa: C901, PLR0911, PLR0912 - one case a function
    """Return the value of a function over the events of its window."""
    amounts = [entry.amount for entry in entries]
    now_s = at_ms / 1_000
    match feature["function"]:
        case "count":
            return Answer(float(len(entries)))
        case "sum":
            return Answer(math.fsum(amounts), math.fsum(map(abs, amounts)))
        case "decayed_count" | "decayed_sum":
            half_life = seconds_of(feature["half_life"])
            weights = [2.0 ** (-(now_s - entry.seconds) / half_life) for entry in entries]
            parts = [amount * weight for amount, weight in zip(amounts, weights, strict=True)]
            # However far it has decayed, it is of the sign of what was added.
            return Answer(math.fsum(parts), max(math.fsum(map(abs, parts)), 5e-324 * len(parts)))
        case "distinct":
            limit = feature.get("limit", DEFAULT_LIMIT["distinct"])
            return Answer(float(min(len({entry.key for entry in entries}), limit)))
        case "top":
            return Answer(_top(feature, [entry.key for entry in entries]))
    if not entries:
        return Answer(_NAN)
    match feature["function"]:
        case "mean":
            n = len(amounts)
            return Answer(math.fsum(amounts) / n, math.fsum(map(abs, amounts)) / n)
        case "min":
            return Answer(min(amounts))
        case "max":
            return Answer(max(amounts))
        case "first":
            return Answer(min(entries, key=lambda one: (one.seconds, one.number)).amount)
        case "last":
            latest = max(entries, key=lambda one: (one.seconds, not one.merged, one.number))
            return Answer(latest.amount)
        case "recency":
            return Answer(max(now_s - _latest(entries), 0.0) / DAY_S)
        case "since_first":
            first_s = min(entry.seconds for entry in entries)
            return Answer(max(now_s - first_s, 0.0) / DAY_S)
    raise AssertionError(feature["function"])


def _top(feature: Document, keys: Sequence[str]) -> float:
    """Return the code of the value that stands at the asked rank by how often it came."""
    values = feature["values"]
    seen = [value for value in values if value in keys]
    ranked = sorted(seen, key=lambda value: (-keys.count(value), values.index(value)))
    rank = feature.get("rank", 1)
    return float(values.index(ranked[rank - 1])) if rank <= len(ranked) else _NAN


def _column(path: str) -> str:
    """Return the column that a symbol reads."""
    part, _, name = path.partition(".")
    return f"segment_{name}" if part == "segment" else name


def _word(symbol: Symbol, value: float) -> Value:
    """Return a column's value as expressions see it."""
    if math.isnan(value):
        return None
    match symbol.type:
        case ValueType.BOOL:
            return bool(value)
        case ValueType.STRING:
            return symbol.values[int(value)]
        case ValueType.NUMBER:
            return value
