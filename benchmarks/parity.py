"""Whether the feature store answers what a slow and obvious one answers, on many random cases.

A case is a random set of definitions and a random stream of events, updates and reads: late,
repeated, out of order, ahead of the clock, at the edges of tiles. Every value of every row read is
compared, as is what is refused. The events are applied one at a time, and as batches.

Run ``python -m benchmarks.parity --cases 10000``.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nba.domain.customer import Event, ProfileUpdate
from nba.domain.history import ContactHistory, pack_history
from nba.domain.ids import CustomerId, hash32
from nba.errors import InputError
from nba.features import FeatureSet, StoredLayout
from tests.features.slow_store import Answer, Contact, SlowStore, agree
from tests.features.strategies import (
    CATALOG,
    CUSTOMERS,
    EVENTS,
    SOURCES,
    Ask,
    Case,
    Change,
    Declared,
    SeededChance,
    Send,
    make_case,
    make_changed_case,
)

_SHOWN = 10


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
        self.tally = Differences(cases=1)
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

    def send(self, events: Sequence[Event], number: int) -> None:
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


def play_random(seed: int) -> Differences:
    """Play a case; at its end one in four changes what is declared, one merges two customers."""
    chance = SeededChance(np.random.default_rng(seed))
    case = make_case(chance)
    shop = Shop(case.declared)
    shop.play(case)
    match seed % 4:
        case 1:
            changed = make_changed_case(chance, case)
            shop.redeclare(changed.declared)
            shop.play(changed)
        case 2:
            shop.merge(CUSTOMERS[0], CUSTOMERS[1], case.end_ms())
            for customer in CUSTOMERS:
                shop.ask(Ask(customer, case.end_ms(), {}, {}, ()), len(case.steps))
    return shop.tally


def run(cases: int, seed: int) -> Differences:
    """Play so many cases, the first from ``seed``, and return all that differed."""
    total = Differences()
    for number in range(seed, seed + cases):
        one = play_random(number)
        total.cases += 1
        total.reads += one.reads
        total.values += one.values
        total.events += one.events
        total.by_function += one.by_function
        total.found += one.found
        total.seeds += [number] * bool(one.found)
    return total


def main() -> None:
    """Play cases and print what was compared and what differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    total = run(arguments.cases, arguments.seed)
    seconds = time.perf_counter() - begin
    print(f"{'cases':>12} {'events':>12} {'reads':>12} {'values':>12} {'differences':>12}")
    print(
        f"{total.cases:>12,} {total.events:>12,} {total.reads:>12,} {total.values:>12,}"
        f" {total.differences:>12,}   in {seconds:.0f} s"
    )
    declared = ", ".join(f"{name} {count:,}" for name, count in total.by_function.most_common())
    print(f"declared: {declared}")
    for difference in total.found[:_SHOWN]:
        print(difference)
    if total.seeds:
        print(f"cases that differ: {total.seeds[:_SHOWN]}")


if __name__ == "__main__":
    main()
