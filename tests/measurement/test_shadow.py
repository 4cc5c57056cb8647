"""The shadow report against values worked out by hand, and against a log whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import EvaluationRefusedError
from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.measurement.shadow import ESTIMATED, OTHERS, OURS, measure_shadow, report_shadow

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RATES = {"no_action": 0.1, "a": 0.3, "b": 0.6}
EVERY = tuple(RATES)


def row(
    number: int,
    action: str,
    probability: float | None,
    ours: Mapping[str, float],
    reward: float | None,
    **more: Any,
) -> dict[str, Any]:
    """Return one decision in shadow; ``ours`` is what would have been drawn from."""
    return {
        "decision_id": f"d{number:06}",
        "choice": 0,
        "customer_id": f"c{number}",
        "at": NOON,
        "placement": "web.hero",
        "action": action,
        "cost": 0.0,
        "probability": probability,
        "candidates": list(ours),
        "shadow_action": max(ours, key=lambda name: ours[name]),
        "shadow_probability": ours.get(action, 0.0),
        "shadow_probabilities": list(ours.values()),
        "would_have_been_dropped": [] if action in ours else ["contact_cap.reached"],
        "source": "shadow",
        "reward": reward,
        **more,
    }


def report_on(rows: Sequence[Mapping[str, Any]]) -> Any:
    (placement,) = measure_shadow(*frames(rows)).placements
    return placement


def frames(rows: Sequence[Mapping[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    decisions = pl.DataFrame(
        [{name: value for name, value in one.items() if name != "reward"} for one in rows],
        schema=SCHEMAS[LogTable.DECISIONS],
    )
    resolutions = pl.DataFrame(
        [
            {
                "decision_id": one["decision_id"],
                "choice": one["choice"],
                "kind": "rewarded" if one["reward"] else "expired",
                "label": float(bool(one["reward"])),
                "reward": float(one["reward"]),
                "at": NOON,
            }
            for one in rows
            if one["reward"] is not None
        ],
        schema=SCHEMAS[LogTable.RESOLUTIONS],
    )
    return decisions, resolutions


def drawn(
    n: int, other: Mapping[str, float], ours: Mapping[str, float], *, reported: bool = True
) -> list[dict[str, Any]]:
    """Return a log of another system that draws from ``other``, whoever the customer is."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(n):
        action = str(rng.choice(list(other), p=list(other.values())))
        reward = float(rng.random() < RATES[action])
        rows.append(row(number, action, other[action] if reported else None, ours, reward))
    return rows


def by_name(placement: Any) -> dict[str, Any]:
    return {one.name: one for one in placement.rows}


def test_agreement_drops_and_what_was_earned_are_counted_from_the_rows():
    ours = {"no_action": 0.2, "a": 0.8}
    rows = [
        row(0, "a", 0.5, ours, 1.0, cost=0.25),
        row(1, "b", 0.5, ours, 3.0),
        row(2, "no_action", 0.5, ours, 0.0),
        row(3, "a", 0.5, ours, None),
        row(4, "b", 0.5, ours, None, would_have_been_dropped=["x", "contact_cap.reached"]),
    ]
    found = report_on(rows)
    assert (found.decisions, found.customers, found.resolved) == (5, 5, 3)
    assert found.agreement == pytest.approx(2 / 5)
    assert found.dropped == pytest.approx(2 / 5)
    assert found.dropped_by == {"contact_cap.reached": 2, "x": 1}
    assert (found.probabilities, found.estimated) == ("shadow", 0)
    named = by_name(found)
    assert [one.name for one in found.rows] == [OTHERS, OURS, "no_action", "always a"]
    assert named[OTHERS].measured
    assert named[OTHERS].dr.value == pytest.approx((0.75 + 3.0 + 0.0) / 3)
    # Weights of ours are 1.6, 0 and 0.4: IPS divides by rows, SNIPS by weight.
    assert named[OURS].ips.value == pytest.approx(1.6 * 0.75 / 3)
    assert named[OURS].snips.value == pytest.approx(1.6 * 0.75 / 2.0)
    assert named[OURS].effective_sample_size == pytest.approx(2.0**2 / (1.6**2 + 0.4**2))
    assert named["no_action"].ips.value == 0.0
    assert named["always a"].ips.value == pytest.approx(2 * 0.75 / 3)
    assert all(one.refused for one in found.rows if not one.measured)


def test_what_ours_would_have_earned_is_near_the_truth():
    other = {"no_action": 0.5, "a": 0.3, "b": 0.2}
    ours = {"no_action": 0.1, "a": 0.2, "b": 0.7}
    named = by_name(report_on(drawn(3_000, other, ours)))
    truth = 0.1 * 0.1 + 0.2 * 0.3 + 0.7 * 0.6
    earned = 0.5 * 0.1 + 0.3 * 0.3 + 0.2 * 0.6
    assert named[OTHERS].ips.low < earned < named[OTHERS].ips.high
    for name, value in ((OURS, truth), ("no_action", 0.1), ("always b", 0.6)):
        for one in (named[name].ips, named[name].snips, named[name].dr):
            assert one.low < value < one.high
        assert named[name].refused == ()


def test_missing_probabilities_are_estimated_from_frequencies_and_said_to_be():
    other = {"no_action": 0.5, "a": 0.3, "b": 0.2}
    ours = {"no_action": 0.1, "a": 0.2, "b": 0.7}
    rows = drawn(2_000, other, ours, reported=False)
    found = report_on(rows)
    assert (found.probabilities, found.estimated) == (ESTIMATED, 2_000)
    counts = {name: sum(one["action"] == name for one in rows) for name in EVERY}
    told = report_on([{**one, "probability": counts[one["action"]] / 2_000} for one in rows])
    assert told.rows == found.rows
    assert by_name(found)[OURS].refused == ()


def test_frequencies_are_refused_where_the_other_system_looks_at_the_customer():
    ours = {"no_action": 0.5, "a": 0.5}
    rng = np.random.default_rng(5)
    rows = []
    for number in range(1_000):
        is_old, noise = bool(rng.random() < 0.5), float(rng.normal())
        action = "a" if rng.random() < (0.8 if is_old else 0.2) else "no_action"
        features = {"f_age": 40.0 + 20.0 * is_old, "f_noise": noise}
        rows.append(row(number, action, None, ours, float(is_old), **features))
    decisions, resolutions = frames(rows)
    decisions = decisions.with_columns(
        **{name: pl.Series([one[name] for one in rows]) for name in ("f_age", "f_noise")}
    )
    (found,) = measure_shadow(decisions, resolutions).placements
    for one in found.rows:
        assert bool(one.refused) != one.measured
    assert "depends on age:" in by_name(found)[OURS].refused[0]
    half = decisions.with_columns(probability=pl.lit(0.5))
    (told,) = measure_shadow(half, resolutions).placements
    assert by_name(told)[OURS].refused == ()


def test_another_system_that_never_tries_what_ours_would_cannot_carry_an_estimate():
    found = report_on(drawn(1_000, {"a": 1.0}, {"no_action": 0.1, "a": 0.2, "b": 0.7}))
    weight, never = by_name(found)[OURS].refused
    assert "the mean weight is 0.200" in weight
    assert "80% of what the target does was never logged" in never


def test_placements_are_reported_apart_and_other_sources_left_out():
    ours = {"no_action": 0.5, "a": 0.5}
    rows = [
        row(0, "a", 0.5, ours, 1.0),
        row(1, "a", 0.5, ours, None, placement="desk.screen"),
        row(2, "b", 0.5, ours, 9.0, source="live"),
    ]
    report = measure_shadow(*frames(rows))
    desk, hero = report.placements
    assert (desk.placement, desk.resolved, desk.rows) == ("desk.screen", 0, ())
    assert desk.note
    assert (hero.placement, hero.decisions, hero.rows[0].ips.value) == ("web.hero", 1, 1.0)
    assert report.to_builtins()["placements"][1]["rows"][0]["name"] == OTHERS


def test_nothing_in_shadow_is_refused():
    with pytest.raises(EvaluationRefusedError, match="no decisions in shadow"):
        measure_shadow(*frames([row(0, "a", 0.5, {"a": 1.0}, 1.0, source="live")]))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVERY),
            st.floats(0.05, 1.0),
            st.lists(st.sampled_from(EVERY), min_size=1, max_size=3, unique=True),
            st.sampled_from([0.0, 1.0, 2.5]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_ips_is_the_plain_sum_over_rows(rows):
    listed = []
    total = {OURS: 0.0, "no_action": 0.0}
    for number, (action, probability, kept, reward) in enumerate(rows):
        ours = {name: 1.0 / len(kept) for name in kept}
        listed.append(row(number, action, probability, ours, reward))
        total[OURS] += ours.get(action, 0.0) / probability * reward / len(rows)
        total["no_action"] += (action == "no_action") / probability * reward / len(rows)
    named = by_name(report_on(listed))
    for name, value in total.items():
        assert named[name].ips.value == pytest.approx(value, rel=1e-6)


def test_a_log_is_read_as_its_frames_are():
    log = MemoryLog()
    ours = {"no_action": 0.2, "a": 0.8}
    rows = drawn(300, {"no_action": 0.5, "a": 0.5}, ours)
    decisions, resolutions = frames([*rows, row(300, "a", 0.5, ours, 9.0, source="live")])
    log.append(LogTable.DECISIONS, decisions)
    log.append(LogTable.RESOLUTIONS, resolutions)
    assert report_shadow(log) == measure_shadow(decisions, resolutions)
