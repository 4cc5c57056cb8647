"""The value of plans from logged rewards: against sums done by hand, and refused where thin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nba.control.simulation import simulate
from nba.decision.plan import compile_plan
from nba.domain.ids import NO_ACTION

HERO, RULES = "web.hero", "web.rules"


@pytest.fixture(scope="module")
def records(evenly: Any, decided: Any) -> list[Any]:
    """Return 700 decisions drawn evenly among coat, shirt and nothing, two of each customer."""
    return [
        decided(evenly, HERO, customer_id=f"c{seed // 2}", seed=seed, terms=("product:fashion",))
        for seed in range(700)
    ]


@pytest.fixture(scope="module")
def rewards(records: list[Any]) -> dict[tuple[str, int], float]:
    """Return what each brought: the coat 2 every other time, the shirt 1, the rest nothing."""
    earned = {"coat": (2.0, 0.0), "shirt": (1.0, 1.0)}
    return {
        (record.decision_id, 0): earned.get(logged(record), (0.0, 0.0))[n % 2]
        for n, record in enumerate(records)
    }


def logged(record: Any) -> str:
    action: str = msgspec.json.decode(record.answer)["choices"][0]["action"]
    return action


@pytest.fixture(scope="module")
def greedy(evenly: Any) -> Any:
    """Return the plan that always says the coat: it is expected to bring most."""
    lever = [policy for policy in evenly.source.policies if policy.id != "push_credit"]
    bandit = replace(evenly.source.bandit, explorer="greedy")
    source = replace(evenly.source, bandit=bandit, policies=tuple(lever))
    return compile_plan(source, digest="dddddddddd")


@pytest.fixture(scope="module")
def report(evenly: Any, greedy: Any, records: Any, rewards: Any) -> Any:
    """Return what the greedy plan would change."""
    return simulate(evenly, greedy, records, rewards=rewards, seed=3)


def estimates(report: Any) -> dict[tuple[str, str], Any]:
    return {(row.policy, row.estimator): row for row in report.off_policy.rows}


def test_values_are_those_of_a_sum_done_by_hand(report, records, rewards) -> None:
    found = estimates(report)
    n = len(records)
    coats = [rewards[r.decision_id, 0] for r in records if logged(r) == "coat"]
    # A coat was drawn with a third and is certain after: it weighs 3, everything else nothing.
    assert found["after", "IPS"].value == pytest.approx(3.0 * sum(coats) / n)
    assert found["after", "SNIPS"].value == pytest.approx(sum(coats) / len(coats))
    assert found["after", "IPS"].effective_sample_size == pytest.approx(len(coats))
    # The coat is expected to bring 1; the doubly robust estimate adds how far it was off.
    assert found["after", "DR"].value == pytest.approx(1.0 + 3.0 * sum(c - 1.0 for c in coats) / n)
    # The plan before drew what was logged: everything weighs 1.
    mean = sum(rewards.values()) / n
    assert found["before", "IPS"].value == pytest.approx(mean)
    assert found["before", "SNIPS"].value == pytest.approx(mean)
    assert found["before", "IPS"].effective_sample_size == pytest.approx(n)
    for row in report.off_policy.rows:
        assert row.low <= row.value <= row.high


def test_no_action_and_the_best_constant_action_are_rows(report, records, rewards) -> None:
    found = estimates(report)
    assert found[NO_ACTION, "SNIPS"].value == 0.0
    assert report.off_policy.best_constant in {"coat", "shirt"}
    constant = found[f"always {report.off_policy.best_constant}", "SNIPS"]
    said = [
        rewards[r.decision_id, 0] for r in records if logged(r) == report.off_policy.best_constant
    ]
    assert constant.value == pytest.approx(sum(said) / len(said))


def test_the_difference_is_that_of_the_rows(report) -> None:
    found = estimates(report)
    for one in report.off_policy.differences:
        after, before = found["after", one.estimator], found["before", one.estimator]
        assert one.difference == pytest.approx(after.value - before.value)
        assert one.low <= one.difference <= one.high
        assert one.finding == "better"


def test_the_same_seed_gives_the_same_report(report, evenly, greedy, records, rewards) -> None:
    assert simulate(evenly, greedy, records, rewards=rewards, seed=3) == report


def test_a_thin_log_is_refused_with_what_would_be_enough(evenly, greedy, records, rewards) -> None:
    report = simulate(evenly, greedy, records[:40], rewards=rewards)
    for row in report.off_policy.rows:
        assert row.value is row.low is row.high is None
        assert "200 are needed" in row.refused or "never takes" in row.refused
    assert all(one.difference is None for one in report.off_policy.differences)
    assert all(one.finding.startswith("refused") for one in report.off_policy.differences)


def test_without_rewards_nothing_is_estimated(evenly, greedy, records) -> None:
    found = simulate(evenly, greedy, records[:5], rewards={}).off_policy
    assert (found.decisions, found.rows, found.differences) == (0, (), ())
    assert "no decision of the sample has a reward yet" in found.refused


def test_a_probability_of_nothing_is_not_divided_by(evenly, greedy, records, rewards) -> None:
    answer = msgspec.json.decode(records[0].answer)
    answer["choices"][0]["probability"] = 0.0
    broken = msgspec.structs.replace(records[0], answer=msgspec.json.encode(answer))
    found = simulate(evenly, greedy, [broken, *records[1:9]], rewards=rewards).off_policy
    assert "cannot be divided by" in found.refused
    assert found.rows == ()


def test_what_a_plan_can_no_longer_say_counts_as_nothing(evenly, decided, records, rewards) -> None:
    catalog = evenly.source.catalog
    gone = tuple(
        replace(c, placements=tuple(p for p in c.placements if p != HERO)) for c in catalog.contents
    )
    places = tuple(p for p in catalog.placements if p.id != HERO)
    source = replace(evenly.source, catalog=replace(catalog, contents=gone, placements=places))
    after = compile_plan(source, digest="eeeeeeeeee")
    found = estimates(simulate(evenly, after, records, rewards=rewards))
    assert found["after", "IPS"].value == found[NO_ACTION, "IPS"].value == 0.0
