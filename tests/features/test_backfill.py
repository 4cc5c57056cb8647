"""What is recomputed from the log is, byte for byte, what would have been kept all along."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.customer import ALIAS_SOURCE, Event
from nba.domain.ids import CustomerId, FeatureName
from nba.features import FeatureSet
from nba.features.aggregates import AggregateFeature, AggregateFunction
from nba.features.backfill import Rebuilt, event_names, former_ids, moving
from nba.features.definitions import EventDefinition, PropertyType
from nba.features.profile import version_of
from nba.features.union import added_slots, union
from nba.ledger.log import SCHEMAS, LogTable

NOW_MS = 1_750_000_000_000
DAY_MS = 86_400_000
_WORDS = ("red", "green", "blue", "grey", "black")
_BUY = EventDefinition(
    name="buy",
    description="",
    properties={
        "amount": PropertyType.NUMBER,
        "colour": PropertyType.STRING,
        "gift": PropertyType.BOOL,
    },
)
_OPEN = EventDefinition(name="open", description="")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _aggregate(name: str, function: str, event: str = "buy", **more: Any) -> AggregateFeature:
    return AggregateFeature(
        name=FeatureName(name),
        description="",
        event=event,
        function=AggregateFunction(function),
        **more,
    )


_LIVE = (
    _aggregate("buys", "count"),
    _aggregate("opens_1d", "count", "open", window="1d"),
    _aggregate("dearest", "max", property="amount", window="30d"),
)
_COMING = (
    _LIVE[0],
    _aggregate("opens_1d", "count", "open", window="12h"),
    _aggregate("spent", "sum", property="amount"),
    _aggregate("mean_7d", "mean", property="amount", window="7d"),
    _aggregate("gifts_90d", "count", where="properties.gift", window="90d"),
    _aggregate("first_amount", "first", property="amount", window="30d"),
    _aggregate("last_colour", "last", property="colour", values=_WORDS[:3]),
    _aggregate("colours", "distinct", property="colour", limit=2, window="30d"),
    _aggregate("favourite", "top", property="colour", values=_WORDS[:3]),
    _aggregate("heat", "decayed_sum", property="amount", half_life="3d"),
    _aggregate("by_colour", "count", by="colour", limit=3),
    _aggregate("smallest_1h", "min", property="amount", window="1h"),
)
LIVE = FeatureSet(_LIVE, [_BUY, _OPEN])
COMING = FeatureSet(_COMING, [_BUY, _OPEN])
BOTH = union(LIVE, COMING)
ADDED = added_slots(LIVE.layout, COMING.layout)
MOVED = moving(COMING, ADDED)


def _moment(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


class World:
    """Some customers, kept with two sets of definitions from the beginning, and their log."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.profiles: dict[str, dict[str, bytes]] = {"live": {}, "both": {}}
        self.events: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.now_ms = NOW_MS

    def play(self, steps: int) -> World:
        """Let this and that happen to four customers."""
        names = ["a", "b", "c", "d"]
        for number in range(steps):
            self.now_ms += self.chance.choice((0, 400, 7_000, 3_600_000, DAY_MS))
            customer = self.chance.choice(names)
            if len(names) > 1 and self.chance.random() < 0.1:
                names.remove(customer)
                self._merge(self.chance.choice(names), customer)
            else:
                self._send(customer, number)
        return self

    def _send(self, customer: str, number: int) -> None:
        chance = self.chance
        late_ms = chance.choice((0, 0, 3_000, DAY_MS // 3, 40 * DAY_MS, -200_000))
        properties: dict[str, Any] = {}
        name = chance.choice(("buy", "buy", "open"))
        if name == "buy":
            values = {
                "amount": chance.randrange(-40, 400) / 7,
                "colour": chance.choice(_WORDS),
                "gift": chance.random() < 0.5,
            }
            properties = {key: value for key, value in values.items() if chance.random() < 0.8}
        # Clocks of two processes differ, and what is written later may be received earlier.
        event = Event(
            customer_id=CustomerId(customer),
            name=name,
            message_id=f"m{number}",
            at_ms=self.now_ms - late_ms,
            received_at_ms=self.now_ms,
            properties=properties,
        )
        for kept, features in (("live", LIVE), ("both", BOTH)):
            profiles = self.profiles[kept]
            profiles[customer] = features.apply(profiles.get(customer), event)
        self.events.append(
            {
                "customer_id": customer,
                "name": name,
                "message_id": event.message_id,
                "at": _moment(event.at_ms),
                "received_at": _moment(event.received_at_ms),
                "properties": msgspec.json.encode(properties).decode(),
                "version": version_of(self.profiles["live"][customer]),
            }
        )

    def _merge(self, customer: str, previous: str) -> None:
        if previous not in self.profiles["live"]:
            return
        for kept, features in (("live", LIVE), ("both", BOTH)):
            profiles = self.profiles[kept]
            there = profiles.pop(previous)
            profiles[customer] = features.merge(profiles.get(customer), there, at_ms=self.now_ms)
        self.updates.append(
            {
                "customer_id": customer,
                "received_at": _moment(self.now_ms),
                "source": f"{ALIAS_SOURCE}{previous}",
                "version": version_of(self.profiles["live"][customer]),
            }
        )

    def rebuilt(self, versions: dict[str, int]) -> Rebuilt:
        """Return what is recomputed from the log, whose rows are in no order."""
        events = pl.DataFrame(self.events, schema=SCHEMAS[LogTable.EVENTS])
        events = events.filter(pl.col("name").is_in(event_names(MOVED)))
        updates = pl.DataFrame(self.updates, schema=SCHEMAS[LogTable.UPDATES])
        return Rebuilt(MOVED, events.sample(fraction=1.0, shuffle=True, seed=1), updates, versions)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_rebuilt_state_is_what_was_kept_from_the_beginning(seed: int, steps: int) -> None:
    world = World(seed).play(steps)
    live = world.profiles["live"]
    rebuilt = world.rebuilt({name: version_of(profile) for name, profile in live.items()})
    reader = BOTH.with_previous([LIVE.layout])
    for customer, profile in live.items():
        state = rebuilt.state(customer)
        changed = reader.with_slots(profile, {key: state[key] for key in ADDED})
        kept = world.profiles["both"][customer]
        assert changed[8:] == kept[8:]
        assert changed[:4] == kept[:4]
        assert version_of(changed) == version_of(profile)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_what_came_after_the_version_asked_for_is_left_out(seed: int, steps: int) -> None:
    world = World(seed).play(steps)
    versions = {name: version_of(p) for name, p in world.profiles["live"].items()}
    before = {name: world.rebuilt(versions).state(name) for name in versions}
    world.now_ms += 1_000
    for name in versions:
        for number in range(3):
            world._send(name, 1_000 + number)
    again = world.rebuilt(versions)
    assert {name: again.state(name) for name in versions} == before


def test_whoever_has_nothing_logged_gets_what_is_empty() -> None:
    assert World(1).rebuilt({"anna": 4}).state("anna") == MOVED.slots(None)


def test_former_ids_are_found_however_indirectly() -> None:
    rows = [("a", "alias:b"), ("b", "alias:c"), ("x", "alias:y"), ("c", "alias:a")]
    updates = pl.DataFrame(rows, schema=["customer_id", "source"], orient="row")
    assert former_ids(updates, ["a"]) == {"a", "b", "c"}
    assert former_ids(updates, ["y"]) == set()


def test_only_features_that_need_a_new_slot_are_moved() -> None:
    assert {item.name for item in MOVED.definitions} == {i.name for i in _COMING} - {"buys"}
    assert event_names(MOVED) == ("buy", "open")


def test_a_circle_of_aliases_ends() -> None:
    world = World(3)
    world._send("a", 1)
    world._merge("b", "a")
    world.updates.append({**world.updates[0], "customer_id": "a", "source": "alias:b"})
    assert world.rebuilt({"b": 9}).state("b").keys() == MOVED.slots(None).keys()
