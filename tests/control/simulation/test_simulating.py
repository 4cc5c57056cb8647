"""Simulating a change: figures worked out by hand, and what must hold of any change."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from shop import NOW_MS

from nba.bandits import Resolved
from nba.control.simulation import Branches, simulate, summary, tables
from nba.decision.learned import Learned
from nba.domain.catalog import Action, Goal
from nba.domain.ids import NO_ACTION, PolicyId
from nba.domain.policy import Selector
from nba.features.definitions import SegmentDefinition
from nba.features.feature_set import FeatureSet
from nba.policies.kinds import ContactCap, Eligibility, Holdout, Lever
from nba.policies.kinds.budget import Budget

RULES, HERO, DESK = "web.rules", "web.hero", "desk.screen"


def make(kind: Any, name: str, **fields: Any) -> Any:
    return kind(id=PolicyId(name), description="A rule.", **fields)


def adults(**selector: tuple[str, ...]) -> Eligibility:
    return make(
        Eligibility, "grown_up", condition="customer.age >= 18", applies_to=Selector(**selector)
    )


def named(rows: Any) -> dict[str, Any]:
    return {row.name: row for row in rows}


def with_actions(plan: Any, **changes: dict[str, Any]) -> Any:
    catalog = plan.source.catalog
    actions = tuple(replace(a, **changes.get(a.id, {})) for a in catalog.actions)
    return replace(catalog, actions=actions)


def test_a_decision_is_divided_as_its_chances_say(evenly, decided) -> None:
    # Four actions and no_action, a fifth each. Expected values: the card 50 EUR at 2 % less 0.50,
    # the coat 20 at 5 %, the shirt 8 at 10 %, the parcel 1 at 30 %.
    report = simulate(evenly, evenly, [decided(evenly, HERO), decided(evenly, HERO, seed=2)])
    rows = named(report.by_action)
    assert {name: row.before.volume for name, row in rows.items()} == pytest.approx(
        dict.fromkeys(("card", "coat", "shirt", "parcel", NO_ACTION), 0.4)
    )
    assert {name: row.before.value for name, row in rows.items()} == pytest.approx(
        {"card": 0.2, "coat": 0.4, "shirt": 0.32, "parcel": 0.12, NO_ACTION: 0.0}
    )
    assert report.total.before.volume == pytest.approx(1.6)
    assert report.total.before.value == pytest.approx(1.04)
    assert report.total.before.no_action_share == pytest.approx(0.2)
    branches = named(report.by_branch)
    assert branches["fashion"].before.volume == pytest.approx(0.8)
    assert branches["credit"].before.volume == pytest.approx(0.4)
    assert named(report.by_channel)["web"].before.volume == pytest.approx(1.6)


def test_the_same_plan_twice_makes_no_difference_at_all(live, decided) -> None:
    records = [
        decided(live, (HERO, 2), DESK, customer_id=f"c{seed % 7}", seed=seed, age=10.0 + seed)
        for seed in range(30)
    ]
    rewards = {(record.decision_id, 0): float(n % 3) for n, record in enumerate(records)}
    report = simulate(live, live, records, rewards=rewards)
    assert report.unchanged
    assert report.movers == ()
    assert report.losses.decisions == report.losses.customers == 0
    for rows in (report.by_action, report.by_branch, report.by_channel, report.by_placement):
        assert rows
        assert all(row.before == row.after for row in rows)


def test_a_lever_moves_offers_but_is_not_taken_for_value(live, changed, decided) -> None:
    after = changed(make(Lever, "l", weight=3.0, applies_to=Selector(actions=("shirt",))))
    report = simulate(live, after, [decided(live, HERO)])
    shirt = named(report.by_action)["shirt"]
    assert shirt.after.volume > shirt.before.volume
    assert shirt.after.value == pytest.approx(0.8 * shirt.after.volume)
    assert shirt.before.value == pytest.approx(0.8 * shirt.before.volume)
    assert report.movers[0].name in {"shirt", "card"}
    assert not report.unchanged


def test_closing_shows_exactly_who_loses_every_option_and_by_what(live, changed, decided) -> None:
    after = changed(adults())
    records = [
        decided(live, RULES, customer_id="child", age=12.0),
        decided(live, RULES, customer_id="child", age=12.0, seed=2),
        decided(live, RULES, customer_id="unknown", age=float("nan"), seed=3),
        decided(live, RULES, customer_id="adult", age=40.0, seed=4),
        decided(live, RULES, customer_id="grows_up", age=17.0, seed=5),
        decided(live, RULES, customer_id="grows_up", age=18.0, seed=6),
    ]
    losses = simulate(live, after, records).losses
    assert losses.decisions == 4
    assert losses.share_of_decisions == pytest.approx(4 / 6)
    assert losses.customers == 2
    assert losses.share_of_customers == pytest.approx(2 / 4)
    assert sorted(losses.sample) == ["child", "unknown"]
    found = {(reason.policy, reason.code): reason.decisions for reason in losses.reasons}
    assert found == {
        ("grown_up", "eligibility.not_met"): 3,
        ("grown_up", "eligibility.unknown"): 1,
    }


def test_who_keeps_one_option_loses_nothing(live, changed, decided) -> None:
    after = changed(adults(terms=("product:fashion",)))
    report = simulate(live, after, [decided(live, RULES, age=12.0)])
    assert report.losses.decisions == 0
    # Of what is left the parcel alone has the highest priority: 1 EUR at 30 %.
    rows = named(report.by_action)
    assert rows["parcel"].after.volume == pytest.approx(1.0)
    assert rows["parcel"].after.value == pytest.approx(0.3)
    assert rows["coat"].moved == pytest.approx(-1.0)


def test_reach_counts_customers_and_how_many_are_expected_to_get_an_offer(
    live, changed, decided
) -> None:
    after = changed(adults())
    records = [
        decided(live, RULES, customer_id="child", age=12.0),
        decided(live, RULES, customer_id="adult", age=40.0, seed=2),
        decided(live, RULES, customer_id="adult", age=40.0, seed=3),
    ]
    report = simulate(live, after, records)
    assert (report.reach_before.with_options, report.reach_before.reached) == (2, 2.0)
    assert (report.reach_after.with_options, report.reach_after.reached) == (1, 1.0)
    assert report.total.after.empty == 1.0
    assert report.total.after.no_action_share == pytest.approx(1 / 3)


def test_deeper_ranks_are_those_drawn_with_the_decisions_own_seed(evenly, decided) -> None:
    record = next(
        found
        for found in (decided(evenly, (HERO, 2), seed=seed) for seed in range(20))
        if len(found.draws) == 2
    )
    below = msgspec.json.decode(record.answer)["choices"][1]["action"]
    rows = named(simulate(evenly, evenly, [record]).by_action)
    assert rows[below].before.volume == pytest.approx(1.2)
    assert sum(row.before.volume for row in rows.values()) == pytest.approx(2.0)


def test_what_an_action_breaks_is_deducted_at_every_rank(source, changed, decided) -> None:
    """A coat brings 20 EUR at 5 %; one in a hundred complains of it, which is priced at 50."""
    goals = {"complain": Goal(value=-50.0, base_rate=0.01)}
    bandit = replace(source.bandit, explorer="uniform")
    catalog = with_actions(changed(), coat={"goals": goals})
    plan = changed(bandit=bandit, catalog=catalog)
    first = decided(plan, HERO)
    one = named(simulate(plan, plan, [first]).by_action)
    assert one["coat"].before.value == pytest.approx(0.2 * (1.0 - 0.5))
    assert one["shirt"].before.value == pytest.approx(0.2 * 0.8)
    below = next(
        found
        for found in (decided(plan, (HERO, 2), seed=seed) for seed in range(50))
        if [c["action"] for c in msgspec.json.decode(found.answer)["choices"]][1:] == ["coat"]
    )
    two = named(simulate(plan, plan, [below]).by_action)
    assert two["coat"].before.value == pytest.approx(1.2 * (1.0 - 0.5))


def test_what_a_learner_of_rewards_adds_counts(source, changed, decided) -> None:
    """Thirty coats brought 20 EUR each where one was expected; half of that is believed."""
    given = {"explorer": "uniform", "learner": "linear", "reward_cap": 20.0, "ridge": 30.0}
    bandit = replace(source.bandit, forgetting=1.0, **given)
    plan = changed(bandit=bandit)
    learned = Learned.nothing(bandit)
    for _ in range(30):
        missing = np.full(len(bandit.features), np.nan)
        learned.actions.learn(Resolved("coat", -3.0, missing, 1.0, reward=20.0, expected=1.0))
    taught = plan.with_learner(learned, 1)
    rows = named(simulate(taught, taught, [decided(plan, HERO)]).by_action)
    assert rows["coat"].before.value == pytest.approx(0.2 * (1.0 + 19.0 / 2))
    assert rows["shirt"].before.value == pytest.approx(0.2 * 0.8)


def test_a_change_of_how_ranks_are_looked_at_moves_those_below_alone(
    source, evenly, changed, decided
) -> None:
    """Drawn evenly, the same is drawn; below it brings a quarter, costs aside."""
    places = tuple(
        replace(place, position_effects=(1.0, 0.25)) if place.id == HERO else place
        for place in source.catalog.placements
    )
    after = changed(bandit=evenly.source.bandit, catalog=replace(source.catalog, placements=places))
    record = next(
        found
        for found in (decided(evenly, (HERO, 2), seed=seed) for seed in range(20))
        if len(found.draws) == 2
    )
    below = msgspec.json.decode(record.answer)["choices"][1]["action"]
    brings = {"card": 1.0, "coat": 1.0, "shirt": 0.8, "parcel": 0.3}
    rows = named(simulate(evenly, after, [record]).by_action)
    for name, row in rows.items():
        assert row.after.volume == row.before.volume
        lost = 0.75 * brings[below] if name == below else 0.0
        assert row.before.value - row.after.value == pytest.approx(lost)


def test_a_new_budget_counts_as_unspent_and_not_as_unknown(live, changed, decided) -> None:
    after = changed(make(Budget, "b", limit=100.0, applies_to=Selector(actions=("coat",))))
    report = simulate(live, after, [decided(live, RULES)])
    assert named(report.by_action)["coat"].after.volume == pytest.approx(1.0)


def test_a_holdout_leaves_its_share_of_customers_alone(live, changed, decided) -> None:
    after = changed(make(Holdout, "h", share=1.0, salt="x"))
    report = simulate(live, after, [decided(live, RULES, customer_id=f"c{n}") for n in range(5)])
    rows = named(report.by_action)
    # The parcel is transactional, and a holdout is for promotions.
    assert rows["parcel"].after.volume == pytest.approx(5.0)
    assert rows["coat"].after.volume == 0.0


def test_a_placement_that_is_gone_says_nothing(source, live, changed, decided) -> None:
    places = tuple(p for p in source.catalog.placements if p.id != RULES)
    contents = tuple(
        replace(c, placements=tuple(p for p in c.placements if p != RULES))
        for c in source.catalog.contents
    )
    after = changed(catalog=replace(source.catalog, placements=places, contents=contents))
    report = simulate(live, after, [decided(live, RULES)])
    assert report.gone == {RULES: 1}
    assert report.total.after.empty == 1.0
    assert named(report.by_action)[NO_ACTION].after.volume == 1.0
    assert [reason.code for reason in report.losses.reasons] == ["placement.gone"]


def test_an_action_without_content_is_named_as_gone(source, live, changed, decided) -> None:
    contents = tuple(c for c in source.catalog.contents if c.action == "card")
    after = changed(catalog=replace(source.catalog, contents=contents))
    report = simulate(live, after, [decided(live, RULES, age=12.0)])
    assert {reason.code for reason in report.losses.reasons} == {"action.gone"}


def with_features(source: Any, *, segments: Any = (), drop: str = "") -> FeatureSet:
    features = source.features
    return FeatureSet(
        [item for item in features.definitions if item.name != drop],
        features.events.values(),
        segments=segments,
        catalog=source.catalog,
    )


def segment(condition: str) -> SegmentDefinition:
    return SegmentDefinition(name="young", condition=condition, description="Young.", owner="crm")


def test_a_segment_that_the_change_moves_is_judged_as_it_would_be(source, changed, decided) -> None:
    before = changed(features=with_features(source, segments=[segment("customer.age < 18")]))
    after = changed(features=with_features(source, segments=[segment("customer.age < 30")]))
    records = [decided(before, RULES, age=age, seed=int(age)) for age in (12.0, 25.0, 40.0)]
    (young,) = simulate(before, after, records).by_segment
    assert (young.name, young.before.slots, young.after.slots) == ("young", 2, 2)
    assert young.before.volume == pytest.approx(2.0)


def test_a_feature_that_was_not_recorded_is_missing_and_counted(
    source, live, changed, decided
) -> None:
    before = changed(features=with_features(source, drop="tier"))
    records = [decided(before, RULES, seed=seed) for seed in range(3)]
    report = simulate(before, live, records, recorded_under={"bbbbbbbbbb": before.features})
    assert report.lacking == {"tier": 3}
    assert report.total.before == report.total.after


def test_a_record_that_fits_no_plan_is_left_out_and_counted(live, decided) -> None:
    record = decided(live, RULES)
    cut = msgspec.structs.replace(record, features=record.features[:-4])
    report = simulate(live, live, [record, cut])
    assert (report.decisions, report.left_out) == (1, 1)


def test_nothing_to_replay_gives_an_empty_report(live) -> None:
    report = simulate(live, live, [])
    assert report.decisions == 0
    assert report.off_policy.refused
    assert report.total.before.no_action_share == 0.0
    assert summary(report, currency="EUR")


def test_branches_are_cut_to_a_depth(live, decided) -> None:
    report = simulate(
        live, live, [decided(live, DESK)], branches=Branches(dimension="product", depth=2)
    )
    assert "credit/card" in named(report.by_branch)


def test_the_report_is_plain_data_and_can_be_printed(live, changed, decided) -> None:
    after = changed(adults())
    records = [decided(live, RULES, customer_id="child", age=12.0), decided(live, RULES, seed=2)]
    report = simulate(live, after, records)
    plain = msgspec.json.decode(msgspec.json.encode(report.to_builtins()))
    assert plain["total"]["after"]["no_action_share"] == 0.5
    assert plain["losses"]["sample"] == ["child"]
    out = io.StringIO()
    console = Console(file=out, width=160)
    for line in summary(report, currency="EUR"):
        console.print(line)
    for table in tables(report, currency="EUR"):
        console.print(table)
    text = out.getvalue()
    assert "Lose every option: 1 decisions (50.0%), 1 customers (50.0%)" in text
    assert "grown_up" in text
    assert "no_action" in text
    assert "refused" in text


_selectors = st.sampled_from(
    [
        Selector(),
        Selector(terms=("product:fashion",)),
        Selector(actions=("card",)),
        Selector(channels=("web",)),
    ]
)
_changes = st.lists(
    st.one_of(
        st.builds(
            lambda s, n, age: make(
                Eligibility, f"e{n}", condition=f"customer.age >= {age}", applies_to=s
            ),
            _selectors,
            st.integers(0, 9),
            st.integers(10, 60),
        ),
        st.builds(
            lambda s, n, w: make(Lever, f"l{n}", weight=w, applies_to=s),
            _selectors,
            st.integers(10, 19),
            st.sampled_from([0.2, 2.0, 5.0]),
        ),
        st.builds(
            lambda s, n, limit: make(
                ContactCap, f"c{n}", limit=limit, window=timedelta(days=7), applies_to=s
            ),
            _selectors,
            st.integers(20, 29),
            st.integers(1, 3),
        ),
    ),
    max_size=3,
    unique_by=lambda policy: policy.id,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(policies=_changes, ages=st.lists(st.integers(10, 80), min_size=1, max_size=8))
def test_volumes_add_up_to_the_placements_that_are_filled(
    live, changed, decided, policies, ages
) -> None:
    after = changed(*policies)
    places = (RULES, HERO, DESK)
    records = [
        decided(live, places[n % 3], age=float(age), seed=n, customer_id=f"c{n % 3}")
        for n, age in enumerate(ages)
    ]
    report = simulate(live, after, records)
    for side in ("before", "after"):
        total = getattr(report.total, side)
        assert total.slots == len(records)
        assert total.volume == pytest.approx(len(records) * (1.0 - total.no_action_share))
        for rows in (report.by_action, report.by_placement, report.by_channel, report.by_branch):
            offers = [getattr(row, side).volume for row in rows if row.name != NO_ACTION]
            assert sum(offers) == pytest.approx(total.volume)
        by_action = named(report.by_action)
        assert getattr(by_action[NO_ACTION], side).volume == pytest.approx(total.empty)
        values = [getattr(row, side).value for row in report.by_action]
        assert sum(values) == pytest.approx(total.value)
    assert NOW_MS <= report.since_ms <= report.until_ms
    assert isinstance(live.catalog.actions[0], Action)
