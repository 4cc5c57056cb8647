"""Which content of an action would have brought what, in a world whose truth is known."""

import numpy as np
import polars as pl
import pytest

from nba.domain.catalog import Content
from nba.errors import EvaluationRefusedError, InputError
from nba.training.asked import parse_policy
from nba.training.contents import BEST_CONTENT, as_choices, evaluate_contents
from nba.training.dataset import resolved_choices
from nba.training.evaluation import LEARNED, LOGGING, RANDOM

ROWS = 6_000
OLD = np.array([0, 1])  # half of the customers each
CHANCE_OF_SHOES = np.array([0.4, 0.7])  # young, old
CHANCE_OF_CALM = np.array([0.7, 0.3])
EARNS = {"shoes.bold": np.array([0.5, 0.1]), "shoes.calm": np.array([0.2, 0.4])}
SILENT = np.array([0.05, 0.3])


def among_shoes(rates):
    """Return the mean of a rate (young, old) over the choices of shoes."""
    return float(rates @ CHANCE_OF_SHOES / CHANCE_OF_SHOES.sum())


TRUTH = {
    "always shoes.bold": among_shoes(EARNS["shoes.bold"]),
    "always shoes.calm": among_shoes(EARNS["shoes.calm"]),
    RANDOM: among_shoes((EARNS["shoes.bold"] + EARNS["shoes.calm"]) / 2),
    LEARNED: among_shoes(np.maximum(*EARNS.values())),
    LOGGING: among_shoes(
        CHANCE_OF_CALM * EARNS["shoes.calm"] + (1 - CHANCE_OF_CALM) * EARNS["shoes.bold"]
    ),
    "no_action": among_shoes(SILENT),
}


def world(decision, resolution, log_of, *, rows=ROWS, seed=3, **columns):
    rng = np.random.default_rng(seed)
    chosen, resolved = [], []
    for number in range(rows):
        old = int(rng.integers(2))
        p = CHANCE_OF_SHOES[old]
        said = rng.random() < p
        calm = rng.random() < CHANCE_OF_CALM[old]
        content = ("shoes.calm" if calm else "shoes.bold") if said else None
        drawn = CHANCE_OF_CALM[old] if calm else 1.0 - CHANCE_OF_CALM[old]
        rate = EARNS[content][old] if said else SILENT[old]
        chosen.append(
            decision(
                number,
                action="shoes" if said else "no_action",
                content=content,
                probability=p if said else 1.0 - p,
                content_probability=drawn if said else None,
                probabilities=[1.0 - p, p],
                f_age=60.0 if old else 30.0,
                a_action_id="shoes" if said else "no_action",
                **columns,
            )
        )
        label = float(rng.random() < rate)
        kind = "rewarded" if label else "expired"
        resolved.append(resolution(number, kind, label, 2 * label, hours=9_000))
    return resolved_choices(log_of(chosen, resolved))


@pytest.fixture(scope="module")
def rows(decision, resolution, log_of):
    return world(decision, resolution, log_of)


@pytest.fixture(scope="module")
def evaluation(rows):
    policies = [parse_policy("always:shoes.calm"), parse_policy("epsilon_greedy=0.2")]
    return evaluate_contents(rows, "shoes", policies=policies)


def policy(evaluation, name):
    return next(entry for entry in evaluation.policies if entry.policy == name)


def test_the_mandatory_rows_are_there_and_every_content_has_one(evaluation, rows):
    assert [entry.policy for entry in evaluation.policies] == [
        LOGGING,
        BEST_CONTENT,
        "no_action",
        "always shoes.bold",
        "always shoes.calm",
        RANDOM,
        LEARNED,
        "always:shoes.calm",
        "epsilon_greedy=0.2",
    ]
    assert evaluation.rows == (rows["action"] == "shoes").sum()


@pytest.mark.parametrize("name", list(TRUTH))
def test_the_truth_lies_within_a_few_standard_errors_of_every_estimator(evaluation, name):
    entry = policy(evaluation, name)
    assert not entry.refused
    for estimate in (entry.ips, entry.snips, entry.dr):
        assert abs(estimate.value - TRUTH[name]) < 4 * estimate.standard_error
        assert estimate.standard_error < 0.03


def test_no_action_is_not_simply_the_mean_of_those_that_said_nothing(evaluation, rows):
    """They are younger than those that were told of shoes, and bring less of themselves."""
    plain = rows.filter(pl.col("action") == "no_action")["label"].mean()
    entry = policy(evaluation, "no_action")
    assert entry.dr.value - plain > 3 * entry.dr.standard_error


def test_what_is_better_and_worse_than_the_best_content_is_said(evaluation):
    best = max(TRUTH["always shoes.bold"], TRUTH["always shoes.calm"])
    assert policy(evaluation, BEST_CONTENT).verdict == "is the measure"
    assert policy(evaluation, BEST_CONTENT).dr.value == pytest.approx(best, abs=0.04)
    for name, verdict in (("no_action", "worse"), (LEARNED, "better")):
        versus = policy(evaluation, name).versus_best_constant
        assert policy(evaluation, name).verdict == verdict
        assert versus.low < TRUTH[name] - best < versus.high


def test_the_reward_may_be_the_metric(rows):
    found = evaluate_contents(rows, "shoes", metric="reward")
    for name in ("no_action", "always shoes.calm"):
        entry = policy(found, name)
        assert abs(entry.dr.value - 2 * TRUTH[name]) < 4 * entry.dr.standard_error


def content(name, group, locale="en"):
    return Content(id=name, action="shoes", group=group, placements=("email.body",), locale=locale)


def renamed(rows, suffix, **columns):
    """Return the rows as those of other customers, with other contents."""
    return rows.with_columns(
        (suffix + pl.col("decision_id")).alias("decision_id"),
        (suffix + pl.col("customer_id")).alias("customer_id"),
        (pl.col("content") + suffix).alias("content"),
        **columns,
    )


def test_translations_are_one_variant_and_never_compete(decision, resolution, log_of, rows):
    """German customers are shown German contents; without a catalog all weights are wrong."""
    german = renamed(world(decision, resolution, log_of, seed=4), ".de")
    both = pl.concat([rows, german]).sort("at")
    catalog = {
        name + suffix: content(name + suffix, name, suffix or "en")
        for name in EARNS
        for suffix in ("", ".de")
    }
    known = evaluate_contents(both, "shoes", contents=catalog)
    calm = policy(known, "always shoes.calm")
    assert not calm.refused
    assert abs(calm.dr.value - TRUTH["always shoes.calm"]) < 4 * calm.dr.standard_error
    assert known.rows == (both["action"] == "shoes").sum()
    unknown = policy(evaluate_contents(both, "shoes"), "always shoes.calm")
    assert any("standard errors from 1" in reason for reason in unknown.refused)


def test_a_group_of_two_contents_side_by_side_is_two_variants(rows):
    catalog = {name: content(name, "shoes") for name in EARNS}
    told = as_choices(rows, "shoes", catalog)
    assert set(told["action"]) == set(EARNS)
    alone = {name: content(name, f"group of {name}") for name in EARNS}
    told = as_choices(rows, "shoes", alone)
    assert set(told["action"]) == {f"group of {name}" for name in EARNS}
    assert told["a_content"].equals(told["action"])


def test_a_placement_without_variants_is_left_out_of_every_row(decision, resolution, log_of, rows):
    """At the desk there is one content and people buy: no policy gains or loses by that."""
    desk = renamed(world(decision, resolution, log_of, seed=5), "d", placement=pl.lit("desk"))
    desk = desk.with_columns(
        pl.when(pl.col("action") == "shoes").then(pl.lit("shoes.desk")).alias("content"),
        pl.when(pl.col("action") == "shoes").then(1.0).alias("content_probability"),
        pl.lit(1.0).alias("label"),
    )
    found = evaluate_contents(pl.concat([rows, desk]).sort("at"), "shoes")
    assert found.rows == (rows["action"] == "shoes").sum()
    left_out = (desk["action"] == "shoes").sum()
    assert any(note.startswith(f"{left_out:,} choices that had no other") for note in found.notes)
    for name in ("no_action", "always shoes.calm", LOGGING):
        entry = policy(found, name)
        assert abs(entry.dr.value - TRUTH[name]) < 4 * entry.dr.standard_error


def test_a_content_is_a_candidate_from_first_to_last(decision, resolution, log_of):
    """One that ended or is new counts in between; where the chance was 1 there was no other."""
    shown = [("a", 0.5), ("b", 0.5), ("a", 0.4), ("c", 0.3), ("b", 1.0), ("b", 0.4), ("c", 0.4)]
    chosen = [
        decision(number, content=content, content_probability=chance)
        for number, (content, chance) in enumerate(shown)
    ]
    resolved = [resolution(number) for number in range(len(shown))]
    told = as_choices(resolved_choices(log_of(chosen, resolved)), "shoes", {})
    assert told["candidates"].to_list() == [
        ["a", "b", "c"],  # none but a by the dates, but a was not certain
        ["a", "b"],
        ["a", "b"],
        ["b", "c"],
        ["b", "c"],
        ["a", "b", "c"],
    ]
    certain = 4
    left = [pair for number, pair in enumerate(shown) if number != certain]
    assert list(zip(told["action"], told["probability"], strict=True)) == left


def test_where_saying_nothing_had_no_chance_it_is_refused(rows):
    forced = rows.filter(pl.col("action") == "shoes").with_columns(
        pl.lit(1.0).alias("probability"),
        pl.lit(["shoes"], pl.List(pl.String)).alias("candidates"),
        pl.lit([1.0], pl.List(pl.Float32)).alias("probabilities"),
    )
    found = evaluate_contents(forced, "shoes")
    nothing = policy(found, "no_action")
    assert nothing.verdict == "refused"
    assert any("100% of what the target does was never logged" in r for r in nothing.refused)
    assert not policy(found, "always shoes.calm").refused


def test_a_choice_without_the_chance_of_its_content_is_refused_not_divided_by(rows):
    for missing in (None, 0.0):
        broken = rows.with_columns(
            pl.when(pl.int_range(pl.len()) < 400).then(missing)
            .otherwise("content_probability").alias("content_probability")
        )  # fmt: skip
        word = "missing" if missing is None else "0 or below"
        with pytest.raises(EvaluationRefusedError, match=f"are {word}, first at row 0"):
            evaluate_contents(broken, "shoes")


def test_chances_may_be_estimated_and_every_verdict_says_so(rows):
    silent = rows.with_columns(pl.lit(None, pl.Float64).alias("content_probability"))
    found = evaluate_contents(silent, "shoes", estimate_probabilities=True)
    calm = policy(found, "always shoes.calm")
    assert abs(calm.dr.value - TRUTH["always shoes.calm"]) < 4 * calm.dr.standard_error
    for entry in found.policies:
        assert entry.verdict.endswith(", if the estimated probabilities are right")


def test_too_few_choices_are_refused_row_by_row(rows):
    found = evaluate_contents(rows.head(150), "shoes")
    for name in ("always shoes.bold", "no_action"):
        assert any("200 are needed" in reason for reason in policy(found, name).refused)


def test_an_action_of_one_content_leaves_nothing_to_choose(rows):
    one = rows.filter(pl.col("content").is_null() | (pl.col("content") == "shoes.calm"))
    count = (one["action"] == "shoes").sum()
    silent = (rows["action"] == "no_action").sum()
    match = rf"none of {count:,} choices could 'shoes' .* \(shoes\.calm\); two variants in one"
    with pytest.raises(EvaluationRefusedError, match=match):
        evaluate_contents(one, "shoes")
    with pytest.raises(
        EvaluationRefusedError,
        match=rf"what any of {silent:,} choices of 'no_action' showed.* contents of shoes$",
    ):
        evaluate_contents(rows, "no_action")
    certain = rows.with_columns(pl.lit(1.0).alias("content_probability"))
    with pytest.raises(EvaluationRefusedError, match=r"\(shoes\.bold, shoes\.calm\); two"):
        evaluate_contents(certain, "shoes")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ucb", "among contents: an explorer that needs no learner, or always:VARIANT"),
        ("lever:shoes=2", "among contents: an explorer that needs no learner, or always:VARIANT"),
        (
            "model:conversion",
            "among contents: an explorer that needs no learner, or always:VARIANT",
        ),
        ("always:shoes", "a variant of shoes in the log: shoes.bold, shoes.calm"),
    ],
)
def test_a_policy_that_chooses_no_content_is_refused(rows, said, expected):
    with pytest.raises(InputError, match=expected):
        evaluate_contents(rows, "shoes", policies=[parse_policy(said)])


def test_an_action_that_no_choice_took_is_refused_with_those_that_were(rows):
    with pytest.raises(
        InputError, match=r"--contents-of: found 'nix'; .*; known: no_action, shoes$"
    ):
        evaluate_contents(rows, "nix")
    with pytest.raises(InputError, match=r"found 'shoe'; .*; did you mean shoes\?$"):
        evaluate_contents(rows, "shoe")


def test_where_no_choice_said_nothing_its_row_says_so(rows):
    spoke = rows.filter(pl.col("action") == "shoes")
    nothing = policy(evaluate_contents(spoke, "shoes"), "no_action")
    assert nothing.verdict == "refused"
    assert "never takes a logged action" in " ".join(nothing.refused)
