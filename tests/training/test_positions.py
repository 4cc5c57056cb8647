"""How often ranks are looked at, from logs of worlds in which it is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nba.bandits.ope.bootstrap import cluster_sums, resample
from nba.bandits.positions import estimate_positions
from nba.domain.catalog import Direction, Placement
from nba.domain.ids import PlacementId
from nba.errors import EvaluationRefusedError
from nba.ledger.log import SCHEMAS, LogTable
from nba.training.positions import PositionEstimate, RankEffect, estimate_effects, shown_choices

INBOX = PlacementId("app.inbox")
NOW = datetime(2025, 2, 1, tzinfo=UTC)
LOOKED = np.array([1.0, 0.6, 0.3])


def world(seed, decisions, *, personal=0.0, ranks=3, looked=LOOKED, decided_for=1):
    """Show ``ranks`` of five actions to customers of two kinds; the likelier ones mostly in front.

    An action's chance is e to the ``personal`` times that for one half of the customers, and
    divided by it for the other, whose favourites are the reverse.
    """
    rng = np.random.default_rng(seed)
    base = np.array([0.06, 0.08, 0.1, 0.12, 0.14])
    tilt = np.exp(personal * np.array([-1.0, -0.5, 0.0, 0.5, 1.0]))
    rows: list[tuple[str, str, int, str, int, float]] = []
    for number in range(decisions):
        chances = base * (tilt if (number // decided_for) % 2 else tilt[::-1])
        order = np.argsort(-np.log(chances) - rng.gumbel(0.0, 0.5, 5))[:ranks]
        for place, action in enumerate(order):
            label = int(rng.random() < looked[place] * chances[action])
            customer = f"c{number // decided_for}"
            rows.append((customer, INBOX, place + 1, f"a{action}", label, chances[action]))
    columns = ("customer_id", "placement", "rank", "action", "label", "first")
    return pl.DataFrame(rows, schema=columns, orient="row")


def effects_of(estimate):
    return np.array([one.effect for one in estimate.ranks])


def test_effects_are_found_within_their_intervals():
    estimate = estimate_effects(world(1, 8_000), INBOX, replicates=100)
    assert [one.rank for one in estimate.ranks] == [1, 2, 3]
    assert (estimate.ranks[0].effect, estimate.ranks[0].low, estimate.ranks[0].high) == (1, 1, 1)
    for one, truth in zip(estimate.ranks[1:], LOOKED[1:], strict=True):
        assert one.low < truth < one.high
        assert one.high - one.low < 0.2, "about 900 outcomes in front, 500 and 200 below"
    assert estimate.customers == 8_000
    assert [one.choices for one in estimate.ranks] == [8_000] * 3


def test_who_likes_an_action_best_sees_it_first_and_that_is_allowed_for():
    """Held against anybody, lower ranks would be blamed for what they are shown to."""
    rows = world(2, 12_000, personal=1.2)
    found = effects_of(estimate_effects(rows, INBOX, replicates=20))
    assert found == pytest.approx(LOOKED, abs=0.04)
    names = rows["action"].str.slice(1).cast(pl.Int64).to_numpy()
    blind = estimate_positions(rows["rank"].to_numpy() - 1, names, rows["label"].to_numpy())
    assert blind.examination[2] < LOOKED[2] - 0.08


def test_customers_are_drawn_whole():
    """Every customer forty times over, always with what came first, is no more known than once."""
    once = world(3, 500, looked=np.ones(3))
    again = pl.concat([once] * 40)
    known, repeated = (estimate_effects(rows, INBOX, replicates=50) for rows in (once, again))
    assert effects_of(known) == pytest.approx(effects_of(repeated), abs=1e-6)
    for one, other in zip(known.ranks[1:], repeated.ranks[1:], strict=True):
        assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-6)


def test_the_same_log_gives_the_same_interval():
    rows = world(4, 1_500)
    assert estimate_effects(rows, INBOX, replicates=20) == estimate_effects(
        rows, INBOX, replicates=20
    )


def test_intervals_are_those_of_estimates_from_resampled_customers():
    """With one propensity an action is one item, and tables can be counted beside it."""
    rows = world(5, 800).with_columns(first=0.1)
    estimate = estimate_effects(rows, INBOX, replicates=30, seed=7)
    items = rows["action"].rank("dense").to_numpy().astype(int) - 1
    cells = (rows["rank"].to_numpy() - 1) * 5 + items
    columns = np.zeros((len(rows), 30))
    columns[np.arange(len(rows)), cells] = 1.0
    columns[np.arange(len(rows)), 15 + cells] = rows["label"].to_numpy()
    customers = rows["customer_id"].rank("dense").to_numpy()
    tables = resample(cluster_sums(columns, customers), replicates=30, seed=7)
    third = []
    for seen, hit in tables.reshape(30, 2, 15):
        shown = np.repeat(np.arange(15), seen.astype(int))
        clicks = np.concatenate(
            [np.arange(n) < k for n, k in zip(seen.astype(int), hit, strict=True)]
        )
        third.append(estimate_positions(shown // 5, shown % 5, clicks).examination[2])
    assert estimate.ranks[2].low == pytest.approx(min(third), abs=0.02)
    assert min(third) <= estimate.ranks[2].low < estimate.ranks[2].high <= max(third)


def test_ranks_below_one_with_too_few_outcomes_are_left_out():
    estimate = estimate_effects(
        world(6, 2_000, looked=np.array([1.0, 0.6, 0.01])), INBOX, replicates=5
    )
    assert [one.rank for one in estimate.ranks] == [1, 2]
    assert estimate.left_out == (3,)


def test_too_few_outcomes_are_refused_with_what_would_be_enough():
    rows = world(7, 100).with_columns(label=pl.lit(0))
    with pytest.raises(EvaluationRefusedError) as refused:
        estimate_effects(rows, INBOX)
    assert str(refused.value) == (
        "rank 1 of app.inbox has 100 resolved choices and 0 outcomes; at least 30 are needed"
    )
    few = rows.with_columns(
        label=((pl.col("rank") == 1) | (pl.col("customer_id") < "c18")).cast(pl.Int64)
    )
    below = few.filter(pl.col("rank") == 2)["label"].sum()
    with pytest.raises(EvaluationRefusedError) as refused:
        estimate_effects(few, INBOX)
    assert str(refused.value) == (
        f"rank 2 of app.inbox has 100 resolved choices and {below} outcomes; at least 30 are "
        f"needed, as come of about {round(3_000 / below)} choices"
    )


def test_what_was_never_shown_at_several_ranks_links_none():
    rows = world(8, 2_000).filter(
        pl.col("action") == pl.format("a{}", pl.col("rank"))  # each action at one rank of its own
    )
    with pytest.raises(EvaluationRefusedError, match=r"ranks of app\.inbox cannot be compared"):
        estimate_effects(rows.with_columns(label=pl.lit(1)), INBOX)


def test_another_placement_is_no_evidence():
    with pytest.raises(EvaluationRefusedError, match=r"rank 1 of web\.hero has 0 resolved choices"):
        estimate_effects(world(9, 50), PlacementId("web.hero"))


def test_what_may_be_pasted_keeps_to_what_a_placement_takes():
    ranks = tuple(
        RankEffect(rank, 100, 50, effect, effect, effect)
        for rank, effect in ((1, 1.0), (2, 1.08), (3, 0.61249), (4, 0.00001))
    )
    estimate = PositionEstimate(placement=INBOX, customers=9, ranks=ranks, left_out=())
    assert estimate.position_effects == (1.0, 1.0, 0.612, 0.001)


def in_force(version):
    """Say what plans had: p1 nothing, p2 that the second rank is looked at half as often."""
    effects = {"p1": (), "p2": (1.0, 0.5)}
    if version not in effects:
        return {}
    inbox = Placement(
        id=INBOX, channel="app", direction=Direction.INBOUND, position_effects=effects[version]
    )
    return {INBOX: inbox}


def test_what_was_shown_is_known_with_its_propensity_at_the_first_rank(
    decision, log_of, resolution
):
    second = {"placement": INBOX, "rank": 2, "propensity": 0.1}
    log = log_of(
        [
            decision(1, **second, plan_version="p1"),
            decision(2, **second, plan_version="p2"),
            decision(3, **second, plan_version="forgotten"),
            decision(4, **{**second, "rank": 1}, plan_version="p2"),
            decision(5, action="no_action"),
            decision(6, source="shadow"),
            decision(7, horizon_at=NOW + timedelta(seconds=1)),
            decision(8),
        ],
        [
            *(resolution(number) for number in (1, 3, 4, 5, 6, 7)),
            resolution(2, "expired", 0.0, 0.0),
        ],
    )
    rows = shown_choices(log, now=NOW, in_force=in_force)
    assert rows["customer_id"].to_list() == ["c1", "c2", "c3", "c4"]
    assert rows["rank"].to_list() == [2, 2, 2, 1]
    assert rows["label"].to_list() == [1, 0, 1, 1]
    assert rows["first"].to_list() == [0.1, 0.2, 0.1, 0.1]


def test_an_outcome_of_another_kind_counts_where_it_came_in_time(decision, log_of, resolution):
    log = log_of(
        [decision(number) for number in range(1, 5)],
        [resolution(number, "expired", 0.0, 0.0) for number in range(1, 5)],
    )
    start = datetime(2025, 1, 1, tzinfo=UTC)
    reported = [(1, "click", 5), (1, "click", 400), (2, "click", 24 * 7 + 3), (3, "impression", 5)]
    outcomes = [
        {
            "outcome_id": f"o{index}",
            "decision_id": f"d{number}",
            "choice": 0,
            "kind": kind,
            "at": start + timedelta(hours=hours),
            "received_at": start + timedelta(hours=hours),
            "value": None,
        }
        for index, (number, kind, hours) in enumerate(reported)
    ]
    log.append(LogTable.OUTCOMES, pl.DataFrame(outcomes, schema=SCHEMAS[LogTable.OUTCOMES]))
    rows = shown_choices(log, now=NOW, in_force=in_force, outcome="click")
    assert rows.sort("customer_id")["label"].to_list() == [1, 0, 0, 0], "d2 waited until hour 170"
