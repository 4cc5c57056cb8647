"""The table of policies, against a world whose truth is known."""

import math

import numpy as np
import polars as pl
import pytest

from nba.errors import EvaluationRefusedError, InputError
from nba.training.asked import parse_policy
from nba.training.dataset import resolved_choices
from nba.training.evaluation import (
    BEST_CONSTANT,
    LEARNED,
    LOGGING,
    RANDOM,
    evaluate,
)
from nba.training.fit import fit_model


@pytest.fixture(scope="module")
def rows(learnable):
    return resolved_choices(learnable)


@pytest.fixture(scope="module")
def evaluation(rows):
    return evaluate(rows, every_constant=True)


def policy(evaluation, name):
    return next(entry for entry in evaluation.policies if entry.policy == name)


def test_the_mandatory_rows_are_there_in_order(evaluation):
    names = [entry.policy for entry in evaluation.policies]
    assert names[:3] == [LOGGING, BEST_CONSTANT, "no_action"]
    assert names[-2:] == [RANDOM, LEARNED]
    assert names[3:-2] == ["always hats", "always shoes"]


def test_the_logging_policy_is_simply_what_happened(evaluation, rows):
    logging = policy(evaluation, LOGGING)
    for estimate in (logging.ips, logging.snips, logging.dr):
        assert estimate.value == pytest.approx(rows["label"].mean())
    assert logging.effective_sample_size == pytest.approx(3_000)


@pytest.mark.parametrize(
    ("name", "truth"),
    [("no_action", 0.1), ("always hats", 0.3), ("always shoes", 0.3), (LEARNED, 0.5)],
)
def test_the_truth_lies_within_a_few_standard_errors_of_every_estimator(evaluation, name, truth):
    entry = policy(evaluation, name)
    assert not entry.refused
    for estimate in (entry.ips, entry.snips, entry.dr):
        assert abs(estimate.value - truth) < 4 * estimate.standard_error
        assert estimate.low < estimate.value < estimate.high


def test_a_constant_policys_snips_is_the_mean_of_its_own_choices(evaluation, rows):
    shoes = rows.filter(pl.col("action") == "shoes")["label"].mean()
    assert policy(evaluation, "always shoes").snips.value == pytest.approx(shoes)


def test_what_is_better_and_what_is_worse_than_the_best_constant_is_said(evaluation):
    assert policy(evaluation, LEARNED).verdict == "better"
    assert policy(evaluation, LEARNED).versus_best_constant.difference == pytest.approx(
        0.2, abs=0.06
    )
    assert policy(evaluation, "no_action").verdict == "worse"
    assert policy(evaluation, BEST_CONSTANT).verdict == "is the measure"
    assert policy(evaluation, BEST_CONSTANT).versus_best_constant is None


def test_the_reward_may_be_the_metric(rows):
    evaluation = evaluate(rows, metric="reward")
    assert policy(evaluation, LOGGING).dr.value == pytest.approx(rows["reward"].mean())
    assert policy(evaluation, LEARNED).dr.value == pytest.approx(1.0, abs=0.15)


def test_a_log_whose_labels_are_noise_shows_no_gain(rows):
    rng = np.random.default_rng(1)
    noise = pl.Series("label", (rng.random(rows.height) < 0.2).astype(float))
    evaluation = evaluate(rows.with_columns(noise))
    assert policy(evaluation, LEARNED).verdict == "no detectable difference"


def test_the_best_constant_is_not_chosen_by_hindsight(decision, resolution, log_of):
    rng = np.random.default_rng(5)
    actions = ["no_action", *(f"a{n}" for n in range(9))]
    chosen, resolved = [], []
    for number in range(1_500):
        action = actions[rng.integers(10)]
        drawn = {"probability": 0.1, "probabilities": [0.1] * 10, "candidates": actions}
        chosen.append(decision(number, action=action, **drawn))
        resolved.append(resolution(number, label=float(rng.random() < 0.2)))
    rows = resolved_choices(log_of(chosen, resolved))
    evaluation = evaluate(rows, every_constant=True)
    luckiest = max(entry.snips.value for entry in evaluation.policies[2:-2])
    best = policy(evaluation, BEST_CONSTANT)
    assert best.snips.value < luckiest
    assert abs(best.snips.value - 0.2) < 3 * best.snips.standard_error


def test_later_ranks_and_the_holdout_do_not_count(rows):
    strange = rows.head(100).with_columns(pl.lit(1.0).alias("label"))
    held = strange.with_columns(pl.lit(value=True).alias("holdout"))
    second = strange.with_columns(pl.lit(2, pl.Int32).alias("rank"))
    evaluation = evaluate(pl.concat([rows.tail(1_000), held, second]))
    assert evaluation.rows == 1_000
    assert policy(evaluation, LOGGING).dr.value == pytest.approx(rows.tail(1_000)["label"].mean())


def test_a_held_out_model_is_judged_on_what_came_after_it(rows, spec):
    model = fit_model(spec, rows.head(2_000)).model
    evaluation = evaluate(rows, model=model)
    assert evaluation.rows == 3_000 - 1_600
    assert evaluation.since > rows["at"][1_599]
    assert policy(evaluation, LEARNED).verdict == "better"
    with pytest.raises(EvaluationRefusedError, match="no later resolved choice"):
        evaluate(rows.head(1_600), model=model)


def test_too_few_choices_are_refused_by_row_with_what_would_be_enough(rows):
    evaluation = evaluate(rows.head(150))
    constant = policy(evaluation, "no_action")
    assert constant.verdict == "refused"
    assert "200 are needed" in constant.refused[0]
    assert any("too few to learn who needs what" in note for note in evaluation.notes)
    with pytest.raises(EvaluationRefusedError, match="no resolved first-ranked choices"):
        evaluate(rows.clear())


def test_a_probability_of_zero_is_refused_not_divided_by(rows):
    broken = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(0.0).otherwise("probability").alias("probability")
    )
    with pytest.raises(EvaluationRefusedError, match="1 of 3,000 are 0 or below, first at row 7"):
        evaluate(broken)


def test_estimated_probabilities_are_noted_and_said_in_every_verdict(rows):
    some = rows.head(1_000).with_columns(pl.lit("import:estimated").alias("source"))
    found = evaluate(some)
    assert any("estimated from frequencies" in note for note in found.notes)
    for entry in found.policies:
        assert entry.refused or entry.verdict.endswith(", if the estimated probabilities are right")
        assert entry.dr.probabilities_estimated


def test_probabilities_that_are_of_no_draw_are_refused(rows):
    broken = rows.with_columns(
        pl.when(pl.int_range(pl.len()).is_in([3, 9]))
        .then(pl.lit([0.4, 0.4, 0.17], pl.List(pl.Float32)))
        .otherwise("probabilities")
        .alias("probabilities")
    )
    match = r"2 of 3,000 choices do not sum to 1, those of decision d\d+ to 0\.970"
    with pytest.raises(EvaluationRefusedError, match=match):
        evaluate(broken)


def test_only_the_chance_of_what_was_taken_may_be_known(rows):
    unknown = pl.lit([1 / 3, float("nan"), float("nan")], pl.List(pl.Float32))
    found = evaluate(rows.head(500).with_columns(unknown.alias("probabilities")))
    assert found.rows == 500


def test_an_action_chosen_more_often_than_its_probabilities_say_is_named(rows):
    wrong = rows.with_columns(
        pl.when(pl.col("action") == "shoes").then(0.6).otherwise(1 / 3).alias("probability"),
        pl.lit(None, pl.List(pl.Float32)).alias("probabilities"),
    )
    found = evaluate(wrong)
    (note,) = [note for note in found.notes if note.startswith("shoes was chosen")]
    assert "they are not those it was drawn with" in note
    assert not any("was chosen" in note for note in evaluate(rows.head(2_100)).notes)


def test_what_another_system_took_in_shadow_is_left_out(rows):
    few = rows.head(300)
    taken = few.head(20).with_columns(
        decision_id="s" + pl.col("decision_id"),
        source=pl.lit("shadow"),
        action=pl.lit("never"),
        probability=pl.lit(None, dtype=pl.Float64),
    )
    assert evaluate(pl.concat([few, taken])) == evaluate(few)


def changed(rows, column, value, number=7):
    """Return the rows with another value in the one of that number."""
    return rows.with_columns(
        pl.when(pl.int_range(pl.len()) == number)
        .then(value)
        .otherwise(pl.col(column))
        .alias(column)
    )


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([0.5, 0.5], r"are not as many as candidates, those of decision d7 are 2:"),
        ([1.2, -0.2, 0.0], r"are not all 0 or more, those of decision d7 go to -0\.200:"),
        ([0.6, 0.2, 0.2], r"hold another than the one logged, those of decision d7 hold 0\.\d00:"),
    ],
)
def test_probabilities_that_no_draw_has_are_refused_with_their_number(rows, probabilities, message):
    broken = changed(rows, "probabilities", pl.lit(probabilities, pl.List(pl.Float32)))
    with pytest.raises(
        EvaluationRefusedError, match=f"^the action .* 1 of 3,000 choices {message}"
    ):
        evaluate(broken)


@pytest.mark.parametrize("wrong", [None, float("nan"), 1.2, -0.1])
def test_a_logged_probability_that_is_none_is_named_as_such(rows, wrong):
    problem = {None: "missing", 1.2: "above 1", -0.1: "0 or below"}.get(wrong, "missing")
    with pytest.raises(EvaluationRefusedError, match=f"1 of 3,000 are {problem}, first at row 7"):
        evaluate(changed(rows, "probability", pl.lit(wrong, pl.Float64)))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None, 1e300])
def test_a_reward_that_is_no_number_is_named_and_never_averaged(rows, wrong):
    with pytest.raises(InputError, match=r"^/rewards/7: 1 of 3,000 rows are wrong"):
        evaluate(changed(rows, "reward", pl.lit(wrong, pl.Float64)), metric="reward")


@pytest.mark.parametrize(
    ("column", "wrong", "message"),
    [
        ("customer_id", None, "customer_id is None, as in 1 of 3,000 choices; an id is expected"),
        ("value", float("nan"), "value is nan, as in 1 of 3,000 choices; a finite number"),
        ("cost", None, "cost is None, as in 1 of 3,000 choices; a finite number"),
    ],
)
def test_a_choice_without_customer_value_or_cost_is_named(rows, column, wrong, message):
    dtype = rows.schema[column]
    with pytest.raises(InputError, match=f"^decision d7 choice 0: {message}"):
        evaluate(changed(rows, column, pl.lit(wrong, dtype)))


def test_one_reward_that_is_most_of_all_is_noted(rows):
    found = evaluate(changed(rows, "reward", pl.lit(1e9)), metric="reward")
    assert any("decision d7 alone brought 1e+09, 100% of all reward" in n for n in found.notes)
    assert not any("alone brought" in note for note in evaluate(rows, metric="reward").notes)


def test_rewards_that_are_nearly_all_nothing_are_noted(rows):
    few = rows.with_columns((pl.int_range(pl.len()) % 1_000 == 0).cast(pl.Float64).alias("label"))
    assert any(n.startswith("only 3 of 3,000 choices brought") for n in evaluate(few).notes)


def test_an_action_that_was_chosen_a_few_times_is_not_called_off(rows):
    """Rare draws of a small chance are missing from most samples, and tell nothing by that."""
    shoes = rows.filter(pl.col("action") == "shoes").head(99)
    nothing = rows.filter(pl.col("action") == "no_action")
    few = (
        pl.concat([shoes, nothing])
        .sort("at")
        .with_columns(
            pl.lit(["no_action", "shoes"], pl.List(pl.String)).alias("candidates"),
            pl.lit(None, pl.List(pl.Float32)).alias("probabilities"),
            pl.lit(0.5).alias("probability"),
        )
    )
    notes = evaluate(few).notes
    assert any(note.startswith("no_action was chosen") for note in notes)
    assert not any(note.startswith("shoes was chosen") for note in notes)


def test_rewards_that_are_all_alike_are_noted(rows):
    found = evaluate(rows.with_columns(pl.lit(0.0).alias("label")))
    assert any(
        "all 3,000 choices brought 0: nothing tells policies apart" in n for n in found.notes
    )


@pytest.mark.parametrize("customers", [1, 2, 29])
def test_the_choices_of_few_customers_are_refused_however_many_there_are(rows, customers):
    few = rows.with_columns(
        (pl.int_range(pl.len()) % customers).cast(pl.String).alias("customer_id")
    )
    found = evaluate(few)
    for entry in found.policies:
        assert f"the rows are of {customers} customers and 30 are needed" in " ".join(entry.refused)
    assert not any("standard errors" in note for note in found.notes)


def test_probabilities_of_a_single_customer_cannot_be_estimated_and_it_says_so(rows):
    alone = rows.with_columns(pl.lit("c").alias("customer_id"))
    with pytest.raises(EvaluationRefusedError, match=r"from other customers, .* too few \(1\)"):
        evaluate(alone, estimate_probabilities=True)


def test_one_choice_is_refused_in_every_row(rows):
    found = evaluate(rows.head(1))
    assert [entry.verdict for entry in found.policies] == ["refused"] * len(found.policies)


def test_where_nothing_could_have_been_said_its_row_says_why_it_has_no_value(rows):
    """Hats and shoes alone: the other four of the five rows are there and valued."""
    spoke = rows.filter(pl.col("action") != "no_action").with_columns(
        pl.lit(["hats", "shoes"], pl.List(pl.String)).alias("candidates"),
        pl.lit([0.5, 0.5], pl.List(pl.Float32)).alias("probabilities"),
        pl.lit(0.5).alias("probability"),
    )
    found = evaluate(spoke)
    names = [LOGGING, BEST_CONSTANT, "no_action", RANDOM, LEARNED]
    assert [entry.policy for entry in found.policies] == names
    nothing = policy(found, "no_action")
    assert nothing.verdict == "refused"
    (reason,) = nothing.refused
    assert reason.startswith(f"no_action was a candidate in none of {spoke.height:,} choices")
    assert math.isnan(nothing.dr.value)
    assert nothing.versus_best_constant is None
    assert not any(policy(found, name).refused for name in names if name != "no_action")


def test_where_nothing_could_not_be_said_in_some_choices_its_row_says_what_it_does_there(rows):
    few = pl.int_range(pl.len()) % 10 == 0
    spoke = rows.filter(~(few & (pl.col("action") == "no_action"))).with_columns(
        pl.lit(None, pl.List(pl.Float32)).alias("probabilities")
    )
    without = spoke.with_columns(
        pl.when((pl.int_range(pl.len()) % 10 == 0) & (pl.col("action") != "no_action"))
        .then(pl.lit(["hats", "shoes"], pl.List(pl.String)))
        .otherwise("candidates")
        .alias("candidates")
    )
    count = without.filter(pl.col("candidates").list.len() == 2).height
    said = policy(evaluate(without), "no_action").description
    assert said == (
        f"says nothing; in {count:,} of {without.height:,} choices, where it could not, any "
        "candidate"
    )


def test_an_action_that_was_a_candidate_and_never_chosen_is_refused_by_name(rows):
    """Nothing is known of it; a policy that takes any candidate alike takes it too."""
    wider = rows.with_columns(
        pl.concat_list("candidates", pl.lit(["hidden"])).alias("candidates"),
        pl.concat_list("probabilities", pl.lit([0.0], pl.List(pl.Float32))).alias("probabilities"),
    )
    found = evaluate(wider, policies=[parse_policy("always:hidden")])
    never = "100% of what the target does was never logged"
    assert never in " ".join(policy(found, "always:hidden").refused)
    assert "25% of what the target does" in " ".join(policy(found, RANDOM).refused)
    assert not policy(found, LEARNED).refused
