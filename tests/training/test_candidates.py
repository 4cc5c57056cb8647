"""What other policies would have done, from the candidates each choice had."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import InputError
from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.training.candidates import list_candidates
from nba.training.dataset import resolved_choices


@pytest.fixture
def table(decision, resolution, log_of):
    """Three choices: of 3, of 1 (hats), and of 2 candidates, of which socks was never chosen."""
    chosen = [
        decision(1, action="shoes", candidates=["no_action", "hats", "shoes"], a_kind="s", value=3),
        decision(2, action="hats", candidates=["hats"], a_kind="h", cost=0.5),
        decision(3, action="shoes", candidates=["socks", "shoes"], a_kind="t", value=4),
    ]
    return list_candidates(resolved_choices(log_of(chosen, [resolution(n) for n in (1, 2, 3)])))


def test_candidates_lie_by_choice_and_point_at_the_one_chosen(table):
    assert table.actions == ("hats", "no_action", "shoes", "socks")
    named = [table.actions[code] for code in table.action]
    assert named == ["no_action", "hats", "shoes", "hats", "socks", "shoes"]
    assert table.choice.tolist() == [0, 0, 0, 1, 2, 2]
    assert table.logged.tolist() == [2, 3, 5]
    assert table.start.tolist() == [0, 3, 4, 6]


def test_a_candidates_features_are_those_of_its_last_choice_in_the_placement(table):
    kinds = ["" if o < 0 else table.options["a_kind"][int(o)] for o in table.option]
    assert kinds == ["", "h", "t", "h", "", "t"]
    assert table.options.sort("action").select("value", "cost").rows() == [(1.0, 0.5), (4.0, 0.0)]


def test_a_constant_policy_falls_back_to_no_action_and_then_to_what_there_is(table):
    shoes = np.full(3, table.actions.index("shoes"))
    assert table.constant(shoes).tolist() == [0, 0, 1, 1, 0, 1]
    socks = np.full(3, table.actions.index("socks"))
    assert table.constant(socks).tolist() == [1, 0, 0, 1, 1, 0]
    hats = np.full(3, table.actions.index("hats"))
    assert table.constant(hats).tolist() == [0, 1, 0, 1, 0.5, 0.5]


def test_a_greedy_policy_takes_the_highest_known_score_and_shares_among_equals(table):
    nan = np.nan
    scores = np.array([1.0, 2.0, 2.0, nan, nan, -1.0])
    assert table.greedy(scores).tolist() == [0, 0.5, 0.5, 1, 0, 1]


@given(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=6, max_size=6))
def test_every_policy_spends_exactly_one_on_each_choice(scores):
    frame = pl.DataFrame(
        {
            "decision_id": ["a", "b", "c"],
            "choice": [0, 0, 0],
            "action": ["x", "y", "x"],
            "placement": ["p", "p", "q"],
            "candidates": [["x", "y", "no_action"], ["y"], ["no_action", "x"]],
            "value": [1.0] * 3,
            "cost": [0.0] * 3,
        }
    )
    found = list_candidates(frame)
    for policy in (
        found.uniform(),
        found.greedy(np.array(scores)),
        *(found.constant(np.full(3, code)) for code in range(len(found.actions))),
    ):
        assert found.totals(policy).tolist() == pytest.approx([1.0, 1.0, 1.0])
        assert (policy >= 0.0).all()


@pytest.mark.parametrize("candidates", [["hats"], [], ["shoes", "shoes"]])
def test_a_choice_that_is_not_once_among_its_candidates_is_refused(
    decision, resolution, log_of, candidates
):
    log = log_of([decision(1), decision(2, candidates=candidates)], [resolution(1), resolution(2)])
    with pytest.raises(InputError, match="decision d2 choice 0: its action 'shoes' is not once"):
        list_candidates(resolved_choices(log))


def test_crosses_are_of_each_candidate_as_they_were_logged(decision, resolution):
    decisions = [
        decision(1, candidates=["no_action", "hats", "shoes"]),
        decision(2, candidates=["shoes"]),
        decision(3, candidates=["hats", "shoes"]),
    ]
    crosses = [[0.0, 2.0, 1.0], [None], None]  # the last was logged before the cross was declared
    schema = dict(SCHEMAS[LogTable.DECISIONS])
    frame = pl.DataFrame(decisions, schema=schema).with_columns(
        pl.Series("x_bought", crosses, pl.List(pl.Float32))
    )
    log = MemoryLog()
    log.append(LogTable.DECISIONS, frame)
    rows = [resolution(number) for number in (1, 2, 3)]
    log.append(LogTable.RESOLUTIONS, pl.DataFrame(rows, schema=SCHEMAS[LogTable.RESOLUTIONS]))
    table = list_candidates(resolved_choices(log))
    assert [table.actions[code] for code in table.action] == [
        *("no_action", "hats", "shoes"),
        "shoes",
        *("hats", "shoes"),
    ]
    nan = np.nan
    np.testing.assert_array_equal(table.crosses["bought"], [0.0, 2.0, 1.0, nan, nan, nan])
    assert table.crosses["bought"].dtype == np.float64


def test_a_log_without_crosses_has_none(table):
    assert table.crosses == {}
