"""The slow feature store and the log side by side: every read, answered point in time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from benchmarks.parity_shop import Difference, Differences, Shop, compared, expected_base
from nba.domain.customer import Event
from nba.features import FeatureSet
from nba.features.offline import point_in_time
from tests.features.slow_store import Answer, Contact
from tests.features.strategies import Ask, Case, Change, Send, Step


def offline(case: Case) -> Differences:
    """Ask the log instead: every read of a case, as it would have been answered then.

    Reads are left out where the log does not tell what was after them: something that arrived in
    the same millisecond, or a decision made before the time they asked about.
    """
    shop = Shop(case.declared)
    sent: list[Event] = []
    changes: list[Change] = []
    asked: list[tuple[int, Ask, dict[str, Answer]]] = []
    for number, step in enumerate(case.steps):
        begin_ms = _arrival_ms(step)
        asked = [one for one in asked if begin_ms is None or one[0] < begin_ms]
        match step:
            case Send():
                right = [event for event in step.events if not shop.slow.refuses(event)]
                sent += [shop.features.check(event)[0] for event in right]
                shop.send(right, number)
            case Change():
                changes.append(step)
                shop.change(step)
            case Ask() if not step.attributes:
                until_ms = max([_arrival_ms(s) or 0 for s in case.steps[:number]], default=0)
                asked.append((until_ms, step, expected_base(shop.slow, step)))
    contacts = longest_histories(ask for _, ask, _ in asked)
    asked = [
        one
        for one in asked
        if len(one[1].history)
        == sum(1_000 * contact.at_s < one[1].at_ms for contact in contacts[one[1].customer])
    ]
    rows = answers(shop.features, case, sent, changes, [(until, ask) for until, ask, _ in asked])
    for row, (_, _, expected) in zip(rows, asked, strict=True):
        shop.tally.reads += 1
        shop.tally.values += len(row)
        # Candidates read crosses; the log has no column for them.
        known = {name: answer for name, answer in expected.items() if "_cross[" not in name}
        shop.tally.found += [
            Difference(0, "from the log", *difference)
            for difference in compared(shop.slow, known, row)
        ]
    return shop.tally


def _arrival_ms(step: Step) -> int | None:
    """Return when what a step brings arrived; ``None`` for a read."""
    match step:
        case Send():
            return step.events[0].received_at_ms
        case Change():
            return step.at_ms
    return None


def answers(
    features: FeatureSet,
    case: Case,
    sent: Sequence[Event],
    changes: Sequence[Change],
    asked: Sequence[tuple[int, Ask]],
) -> list[dict[str, float]]:
    """Return rows by name, from frames as the log has them."""
    contexts = [one for one in case.declared.features if one["kind"] == "context"]
    types = {"number": pl.Float64(), "bool": pl.Boolean(), "enum": pl.String()}
    events = pl.DataFrame(
        {
            "customer_id": [event.customer_id for event in sent],
            "name": [event.name for event in sent],
            "message_id": [event.message_id for event in sent],
            "at": [event.at_ms for event in sent],
            "received_at": [event.received_at_ms for event in sent],
            "properties": [json.dumps(event.properties) for event in sent],
        },
        schema={
            **dict.fromkeys(("customer_id", "name", "message_id"), pl.String()),
            **dict.fromkeys(("at", "received_at"), pl.Int64()),
            "properties": pl.String(),
        },
    )
    updates = pl.DataFrame(
        {
            "customer_id": [change.customer for change in changes],
            "received_at": [change.at_ms for change in changes],
            "source": ["api"] * len(changes),
            "attributes": [json.dumps(change.attributes) for change in changes],
        },
        schema={
            "customer_id": pl.String(),
            "received_at": pl.Int64(),
            "source": pl.String(),
            "attributes": pl.String(),
        },
    )
    at = pl.DataFrame(
        {
            "customer_id": [ask.customer for _, ask in asked],
            "at": [ask.at_ms for _, ask in asked],
            "received_until": [until_ms for until_ms, _ in asked],
            **{one["name"]: [ask.context.get(one["name"]) for _, ask in asked] for one in contexts},
        },
        schema={
            "customer_id": pl.String(),
            "at": pl.Int64(),
            "received_until": pl.Int64(),
            **{one["name"]: types[one["type"]] for one in contexts},
        },
    )
    frame = point_in_time(features, events, at, updates, decisions(asked))
    return [_numbers(features, row) for row in frame.iter_rows(named=True)]


def longest_histories(asked: Iterable[Ask]) -> dict[str, tuple[Contact, ...]]:
    """Return every contact of each customer who was asked about."""
    longest: dict[str, tuple[Contact, ...]] = {}
    for ask in asked:
        longest[ask.customer] = max(longest.get(ask.customer, ()), ask.history, key=len)
    return longest


def decisions(asked: Sequence[tuple[int, Ask]]) -> pl.DataFrame:
    """Return contacts as rows of decisions."""
    longest = longest_histories(ask for _, ask in asked)
    rows = [(customer, contact) for customer, mine in longest.items() for contact in mine]
    return pl.DataFrame(
        {
            "customer_id": [customer for customer, _ in rows],
            "at": [1_000 * contact.at_s for _, contact in rows],
            "action": [contact.said["action"] for _, contact in rows],
            "placement": [contact.said["placement"] for _, contact in rows],
        },
        schema={
            "customer_id": pl.String(),
            "at": pl.Int64(),
            "action": pl.String(),
            "placement": pl.String(),
        },
    )


def _numbers(features: FeatureSet, row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row of the log as the numbers it was before it had words."""
    found: dict[str, float] = {}
    for column, value in row.items():
        name = column.removeprefix("f_")
        if name == column:
            continue
        if isinstance(value, str):
            found[name] = float(features.categories[name].index(value))
        else:
            found[name] = math.nan if value is None else float(value)
    return found
