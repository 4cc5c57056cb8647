"""The slow feature store and the real one side by side, told and asked the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nba.domain.customer import Event, ProfileUpdate
from nba.domain.history import ContactHistory, pack_history
from nba.domain.ids import CustomerId, hash32
from nba.errors import InputError
from nba.features import FeatureSet, StoredLayout
from tests.features.slow_store import Answer, Contact, SlowStore, agree
from tests.features.strategies import (
    CATALOG,
    EVENTS,
    SOURCES,
    Ask,
    Case,
    Change,
    Declared,
    Send,
)


@dataclass(frozen=True)
class Difference:
    """One value that differs, of which feature, and where it was read."""

    step: int
    way: str
    name: str
    expected: float
    found: float

    def __str__(self) -> str:
        where = f"step {self.step}, events {self.way}"
        return f"{self.name}: {self.expected!r} expected, {self.found!r} found ({where})"


@dataclass
class Differences:
    """How much was compared, and what differed."""

    cases: int = 0
    reads: int = 0
    values: int = 0
    events: int = 0
    by_function: Counter[str] = field(default_factory=Counter)
    found: list[Difference] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """How many values differed."""
        return len(self.found)

    def add(self, other: Differences) -> None:
        """Take in what was compared, and what differed, in another case."""
        self.reads += other.reads
        self.values += other.values
        self.events += other.events
        self.by_function += other.by_function
        self.found += other.found


def compile_declared(declared: Declared, *, previous: Iterable[StoredLayout] = ()) -> FeatureSet:
    """Return the feature set of documents."""
    compiled = FeatureSet.from_builtins(
        {
            "definitions": declared.features,
            "events": EVENTS,
            "segments": declared.segments,
            "previous": [],
        },
        catalog=CATALOG,
    )
    return compiled.with_previous(previous) if previous else compiled


def slow_store(declared: Declared) -> SlowStore:
    """Return the slow store of documents."""
    return SlowStore(declared.features, EVENTS, declared.segments, words=SOURCES)


def packed_contacts(contacts: Iterable[Contact]) -> ContactHistory:
    """Return contacts as the ledger keeps them."""
    return pack_history(
        [
            (contact.at_s, hash32(contact.said["action"]), hash32(contact.said["placement"]))
            for contact in contacts
        ]
    )


def expected_base(slow: SlowStore, ask: Ask) -> dict[str, Answer]:
    """Return what the slow store answers, but for what is computed from other columns."""
    return slow.base(
        ask.customer,
        ask.at_ms,
        context=ask.context,
        attributes=ask.attributes,
        history=ask.history,
    )


class Shop:
    """The slow store and the real one side by side, told and asked the same.

    What is declared in the middle knows events from then on, or all of them, where another
    aggregate has kept the same already.

    Parameters
    ----------
    declared
        What is declared.

    """

    def __init__(self, declared: Declared) -> None:
        self.features = compile_declared(declared)
        self.slow = slow_store(declared)
        self.profiles: dict[str, dict[str, bytes]] = {"one by one": {}, "together": {}}
        self.new: frozenset[str] = frozenset()
        self.tally = Differences()
        self.tally.by_function.update(
            str(one.get("function", one["kind"])) for one in declared.features
        )

    def play(self, case: Case) -> Differences:
        """Let everything of a case happen, and return what differed."""
        for number, step in enumerate(case.steps):
            match step:
                case Send():
                    self.send(step.events, number)
                case Change():
                    self.change(step)
                case Ask():
                    self.ask(step, number)
        return self.tally

    def send(self, events: Sequence[Event], number: int = 0) -> None:
        """Send events that arrive together; repeated ones are left out, as the store does."""
        together: dict[str, list[Event]] = {}
        for event in events:
            checked = self._checked(event)
            if (checked is None) is not self.slow.refuses(event):
                refused = float(checked is None)
                name = f"refusal of {event.name}"
                self.tally.found.append(Difference(number, "", name, 1.0 - refused, refused))
            if checked is None or not self.slow.send(event):
                continue
            self.tally.events += 1
            together.setdefault(event.customer_id, []).append(checked)
            one_by_one = self.profiles["one by one"]
            one_by_one[event.customer_id] = self.features.apply(
                one_by_one.get(event.customer_id), event
            )
        batches = self.profiles["together"]
        everything = [event for mine in together.values() for event in mine]
        moves = iter(self.features.moves(everything))
        for customer, mine in together.items():
            batches[customer] = self.features.apply_moves(
                batches.get(customer), [next(moves) for _ in mine]
            )

    def change(self, change: Change) -> None:
        """Change attributes."""
        self.slow.update(change.customer, change.attributes, change.at_ms)
        update = ProfileUpdate(
            customer_id=CustomerId(change.customer), attributes=change.attributes
        )
        for profiles in self.profiles.values():
            profiles[change.customer], _ = self.features.update(
                profiles.get(change.customer), update, at_ms=change.at_ms
            )

    def redeclare(self, declared: Declared) -> None:
        """Change what is declared; profiles stay as they were packed until they are written."""
        self.features = compile_declared(declared, previous=[self.features.layout])
        before = set(self.slow.features)
        self.slow.redeclare(declared.features, declared.segments)
        self.new = frozenset(self.slow.features.keys() - before)

    def merge(self, customer: str, other: str, at_ms: int) -> None:
        """Make one customer of two."""
        self.slow.merge(customer, other)
        for profiles in self.profiles.values():
            profiles[customer] = self.features.merge(
                profiles.get(customer), profiles.pop(other, None), at_ms=at_ms
            )

    def ask(self, ask: Ask, number: int = 0) -> None:
        """Read a row from both, and compare it."""
        expected = expected_base(self.slow, ask)
        always = expected_base(self.slow.since_ever(), ask) if self.new else {}
        for way, profiles in self.profiles.items():
            found = self.read(profiles.get(ask.customer), ask)
            expected |= {
                name: answer
                for name, answer in always.items()
                if name in self.new and agree(answer, found[name])
            }
            self.tally.reads += 1
            self.tally.values += len(found)
            self.tally.found += [
                Difference(number, way, *difference)
                for difference in compared(self.slow, expected, found)
            ]

    def read(self, profile: bytes | None, ask: Ask) -> dict[str, float]:
        """Return the row that the real store gives of a profile, by name."""
        view = self.features.read(
            profile,
            at_ms=ask.at_ms,
            context=ask.context,
            attributes=ask.attributes,
            history=packed_contacts(ask.history),
        )
        return dict(zip(self.features.names, view.features.tolist(), strict=True))

    def _checked(self, event: Event) -> Event | None:
        try:
            return self.features.check(event)[0]
        except InputError:
            return None


def compared(
    slow: SlowStore, base: Mapping[str, Answer], found: Mapping[str, float]
) -> Iterable[tuple[str, float, float]]:
    """Yield what differs; what is computed from other columns is expected from those found."""
    expected = dict(base)
    known = {name: found[name] for name in base if name in found}
    if len(known) == len(base):
        composed = slow.composed(known)
        expected |= {name: Answer(value) for name, value in composed.items()}
    for name in expected.keys() ^ found.keys():
        yield f"column {name}", float(name in expected), float(name in found)
    for name in expected.keys() & found.keys():
        if not agree(expected[name], found[name]):
            yield name, expected[name].value, found[name]
