"""Every learner of the service keeps the same promises."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from nba.bandits import BanditSettings, Resolved, build_explorer, build_learner, read_learner
from nba.errors import ConflictError, CorruptRecordError, InputError

FEATURES = ("age", "visits")
LINEAR = [
    (learner, sharing)
    for learner in ("linear", "bagged", "cover")
    for sharing in ("per_action", "hybrid", "shared")
]
KINDS = [("logistic", "per_action"), *LINEAR]
GROUPS = {
    "gold": ["product:credit"],
    "card": ["product:credit"],
    "loan": ["product:loan", "audience:new"],
    "call": [],
}
every_kind = pytest.mark.parametrize(("learner", "sharing"), KINDS)
every_linear = pytest.mark.parametrize(("learner", "sharing"), LINEAR)


def settings_of(learner, sharing, **changed):
    rewards = {} if learner == "logistic" else {"reward_cap": 50.0, "members": 4}
    return BanditSettings(
        learner=learner,
        sharing=sharing,
        dimensions=() if sharing == "per_action" else ("product", "audience"),
        **({"features": FEATURES} | rewards | changed),
    )


def new(learner, sharing, **changed):
    made = build_learner(settings_of(learner, sharing, **changed))
    made.ensure(GROUPS)
    return made


def stream(seed, m, actions=tuple(GROUPS)):
    """Draw choices among all actions alike, missing features and wild amounts among them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(m):
        label = float(rng.random() < 0.3)
        z = np.array([rng.normal(40.0, 12.0), rng.normal(3.0, 2.0)])
        z[rng.random(2) < 0.1] = math.nan
        found.append(
            Resolved(
                action=actions[rng.integers(len(actions))],
                model_logit=float(rng.normal(-1.0, 0.5)),
                z=z,
                label=label,
                reward=label * float(rng.choice([20.0, 30.0, 900.0])),
                expected=float(rng.uniform(2.0, 8.0)),
                probability=float(rng.uniform(0.1, 1.0)),
                candidates=actions,
                worths=rng.uniform(-1.0, 8.0, len(actions)),
            )
        )
    return found


def teach(learner, rows):
    for row in rows:
        learner.learn(row)
        learner.refit_if_due()
    return learner


def corrected(learner, ids=tuple(GROUPS), z=(44.0, 1.5), logits=None):
    given_logits = np.linspace(-2.0, 1.0, len(ids)) if logits is None else logits
    return parts(learner.bind(ids).correct(given_logits, np.array(z)))


def parts(correction):
    found = (getattr(correction, name) for name in type(correction).__slots__)
    return [None if part is None else part.tolist() for part in found]


@every_kind
def test_an_action_never_seen_is_exactly_as_the_model_says(learner, sharing):
    made = new(learner, sharing)
    logits = np.array([-2.0, 0.3, 1.0])
    for ids in (["gold", "call", "loan"], ["nobody", "knows", "them"]):
        correction = made.bind(ids).correct(logits, np.array([44.0, math.nan]))
        assert correction.logits.tolist() == logits.tolist()
        if learner != "logistic":
            assert correction.rewards.tolist() == [0.0] * 3
            assert correction.variances is None
        if learner in ("bagged", "cover"):
            assert correction.members.tolist() == [[0.0] * 3] * 4


@every_linear
def test_what_was_seen_of_others_says_nothing_of_an_action_of_its_own(learner, sharing):
    """Only what is shared may move an action that was never taken nor a candidate."""
    made = teach(new(learner, sharing), stream(1, 60, ("gold", "card")))
    correction = made.bind(["call", "nobody"]).correct(np.zeros(2), np.array([40.0, 3.0]))
    assert (correction.rewards == 0.0).all() == (sharing == "per_action")
    # Neither has groups, and neither was seen: what is known of one is known of the other.
    assert correction.rewards[0] == correction.rewards[1]
    assert correction.deviations[0] == correction.deviations[1]


@every_kind
@hypothesis(deadline=None, max_examples=8)  # the first example compiles
@given(seed=st.integers(0, 10**6), m=st.integers(0, 25), before=st.integers(0, 25))
def test_through_bytes_learning_goes_on_as_if_it_had_never_stopped(
    learner, sharing, seed, m, before
):
    rows = stream(seed, before) + stream(seed + 1, m, (*GROUPS, "late"))
    whole, half = (teach(new(learner, sharing), rows[:before]) for _ in range(2))
    data = half.to_bytes()
    again = read_learner(data, settings_of(learner, sharing))
    assert again.to_bytes() == data
    assert again.actions == tuple(GROUPS)
    assert corrected(again) == corrected(half)
    for one in (whole, again):
        one.start("late", ["gold", "loan"], ["product:insurance"])
        teach(one, rows[before:])
    assert again.to_bytes() == whole.to_bytes()
    assert again.updates == m + before
    assert again.count("gold") == whole.count("gold")


@every_kind
def test_the_same_choices_in_the_same_order_give_the_same_bytes_and_another_order_others(
    learner, sharing
):
    rows = stream(3, 40)
    one, two = (teach(new(learner, sharing), rows) for _ in range(2))
    other = teach(new(learner, sharing), rows[::-1])
    assert one.to_bytes() == two.to_bytes() != other.to_bytes()


@every_kind
def test_what_is_bound_is_not_reached_by_what_is_learned_later(learner, sharing):
    made = teach(new(learner, sharing), stream(4, 30))
    bound = made.bind(["gold", "loan", "nobody"])
    logits, z = np.array([0.1, -0.5, 0.0]), np.array([30.0, math.nan])
    before = parts(bound.correct(logits, z))
    teach(made, stream(5, 30))
    made.ensure({"nobody": ["product:new"], "more": []})
    made.reset(["gold"])
    assert parts(bound.correct(logits, z)) == before
    assert parts(made.bind(["gold", "loan", "nobody"]).correct(logits, z)) != before


@every_kind
def test_a_candidate_is_corrected_alike_whatever_others_there_are(learner, sharing):
    """One of one, and one of 1,000, most of them unknown; to the last bit."""
    made = teach(new(learner, sharing), stream(6, 50))
    z = np.array([35.0, 2.0])
    ids = ["gold", *(f"action {number}" for number in range(998)), "loan"]
    among = parts(made.bind(ids).correct(np.full(1_000, 0.2), z))
    for index, name in ((0, "gold"), (999, "loan"), (5, "action 4")):
        alone = parts(made.bind([name]).correct(np.array([0.2]), z))
        assert [np.asarray(part)[..., index].tolist() for part in among if part is not None] == [
            np.asarray(part)[..., 0].tolist() for part in alone if part is not None
        ]


@every_kind
def test_missing_features_are_learned_from_and_corrected_at(learner, sharing):
    made = new(learner, sharing)
    row = stream(7, 1)[0]
    for _ in range(3):
        nothing = Resolved(
            "gold", 0.2, np.full(2, math.nan), 1.0, 20.0, 5.0, 0.5, ("gold",), np.array([4.0])
        )
        teach(made, [row, nothing])
    correction = made.bind(["gold"]).correct(np.zeros(1), np.full(2, math.nan))
    assert all(np.isfinite(part).all() for part in parts(correction) if part is not None)
    assert made.updates == 6


@every_kind
def test_a_new_action_starts_towards_where_its_kin_have_got_to(learner, sharing):
    made = new(learner, sharing, forgetting=1.0)
    rng = np.random.default_rng(8)
    for _ in range(100):
        z = np.array([rng.normal(40.0, 12.0), rng.normal(3.0, 2.0)])
        teach(made, [Resolved("gold", -1.0, z, 1.0, 30.0, 5.0, 1.0, ("gold",), np.array([5.0]))])
    assert made.start("platinum", ["gold", "unheard of"], ["product:credit"])
    assert not made.start("platinum", ["call"])
    assert made.count("platinum") == 0.0
    assert "platinum" in made.actions
    values = _values(made, ["gold", "platinum"])
    share = 100 / 150  # of what 100 observations taught of the kin
    if sharing == "shared":
        assert values[1] == pytest.approx(values[0], rel=1e-9)  # they carry the same term
    elif sharing == "hybrid":
        assert 0.9 * values[0] < values[1] < values[0]  # what is shared says most of it already
    elif learner == "logistic":
        assert 0.3 * values[0] < values[1] < values[0]
    else:
        assert values[1] == pytest.approx(share * values[0], rel=0.05)


def _values(learner, ids):
    """Return what is added to each of some candidates, in whichever unit the learner corrects."""
    correction = learner.bind(ids).correct(np.full(len(ids), -1.0), np.array([40.0, 3.0]))
    return correction.rewards if correction.rewards is not None else correction.logits + 1.0


@every_kind
def test_what_is_reset_is_at_the_prior_and_may_start_again(learner, sharing):
    made = teach(new(learner, sharing, forgetting=1.0), stream(9, 120, ("gold", "card", "call")))
    untouched = _values(made, ["card"])
    made.reset(["gold", "unheard of"])
    assert made.count("gold") == 0.0
    assert made.count("card") > 0.0
    if sharing != "shared":  # where all is shared, an action has nothing to forget
        assert _values(made, ["card"]).tolist() == untouched.tolist()
    if sharing == "per_action":
        assert _values(made, ["gold"]).tolist() == [0.0]
        made.restart({"gold": ["card"], "unheard of": []})
        assert _values(made, ["gold"])[0] * untouched[0] > 0.0  # it goes the same way


@every_kind
def test_the_better_action_is_found(learner, sharing):
    """One of two actions pays 20 in three of five cases, the other in one; the model expects 8.

    After 400 choices, each by chance, that is a gap of 8 in currency: the means of 200 rewards with
    a deviation below 10 each are known to about 0.7, so that a gap below 4 is beyond five errors.
    """
    rng = np.random.default_rng(10)
    made = new(learner, sharing, forgetting=1.0)
    for _ in range(400):
        name = ("gold", "loan")[rng.integers(2)]
        label = float(rng.random() < (0.6 if name == "gold" else 0.2))
        z = rng.normal(size=2)
        row = Resolved(
            name, -0.4, z, label, 20.0 * label, 8.0, 0.5, ("gold", "loan"), np.full(2, 8.0)
        )
        teach(made, [row])
    correction = made.bind(["loan", "gold"]).correct(np.full(2, -0.4), np.zeros(2))
    if learner == "logistic":
        chances = 1.0 / (1.0 + np.exp(-correction.logits))
        assert chances[1] - chances[0] > 0.2
    else:
        assert 4.0 < correction.rewards[1] - correction.rewards[0] < 12.0


@every_linear
def test_choosing_by_what_is_learned_it_comes_to_take_the_best(learner, sharing):
    """Of three actions, each worth 8 to the model, one brings 12 on average, the others 8 and 4.

    A mean of 100 rewards of 20 or nothing is known to 1, so that within 600 rounds the best stands
    four deviations out from the next. Whatever goes on exploring then spends less than a third.
    """
    explorer = {"linear": "ucb", "bagged": "votes", "cover": "cover"}[learner]
    settings = settings_of(
        learner, sharing, explorer=explorer, forgetting=1.0, members=8, psi=0.05, epsilon=0.05
    )
    made, explores = build_learner(settings), build_explorer(settings)
    ids, chances = ("loan", "gold", "call"), np.array([0.4, 0.6, 0.2])
    made.ensure({name: GROUPS[name] for name in ids})
    rng = np.random.default_rng(17)
    taken = []
    for _ in range(600):
        z = rng.normal(size=2)
        correction = made.bind(ids).correct(np.zeros(3), z)
        members = None if correction.members is None else (8.0 + correction.members) / 50.0
        p = explores.probabilities(
            (8.0 + correction.rewards) / 50.0,
            updates=made.updates,
            deviations=correction.deviations / 50.0,
            members=members,
        )
        row = int(rng.choice(3, p=p))
        label = float(rng.random() < chances[row])
        about = {"probability": float(p[row]), "candidates": ids, "worths": np.full(3, 8.0)}
        teach(made, [Resolved(ids[row], -0.4, z, label, 20.0 * label, 8.0, **about)])
        taken.append(row)
    assert np.mean(np.array(taken[-200:]) == 1) > 2 / 3


@every_kind
def test_a_state_of_other_features_is_refused(learner, sharing):
    data = teach(new(learner, sharing), stream(11, 5)).to_bytes()
    with pytest.raises(ConflictError, match="the learned state has the 2 features"):
        read_learner(data, settings_of(learner, sharing, features=("age",)))


@every_kind
def test_a_state_of_another_learner_is_refused(learner, sharing):
    data = new(learner, sharing).to_bytes()
    other = "linear" if learner != "linear" else "cover"
    with pytest.raises(ConflictError, match=f"the learned state .*{learner}"):
        read_learner(data, settings_of(other, sharing))


@every_kind
@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
def test_bytes_that_are_none_are_refused(learner, sharing, cut):
    data = teach(new(learner, sharing), stream(12, 5)).to_bytes()
    with pytest.raises(CorruptRecordError):
        read_learner(data[: int(cut * len(data))])


@every_kind
def test_candidates_of_another_number_or_logits_that_are_none_are_refused(learner, sharing):
    bound = new(learner, sharing).bind(["gold", "loan"])
    z = np.zeros(2)
    with pytest.raises(InputError, match=r"^/model_logits"):
        bound.correct(np.zeros(3), z)
    with pytest.raises(InputError, match=r"^/model_logits/1"):
        bound.correct(np.array([0.0, math.inf]), z)
    with pytest.raises(InputError):
        bound.correct(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError):
        bound.correct(np.zeros(2), np.array([0.0, math.inf]))


@every_kind
def test_before_any_action_is_known_it_learns_binds_and_goes_through_bytes(learner, sharing):
    made = build_learner(settings_of(learner, sharing))
    made = read_learner(made.to_bytes(), settings_of(learner, sharing))
    assert made.actions == ()
    assert _values(made, ["gold"]).tolist() == [0.0]
    teach(made, stream(13, 1, ("gold",)))
    assert made.actions == ("gold",)
    assert made.count("gold") == 1.0


@every_kind
def test_forests_go_from_one_to_another_where_there_are_none(learner, sharing):
    one, two = new(learner, sharing), new(learner, sharing)
    two.take_forests(one.forests_to_bytes())
    two.share_forests(one)
    two.remember(one)
    assert dict(two.forests) == {}
    assert two.refits == 0
    assert two.to_bytes() == one.to_bytes()
    with pytest.raises(CorruptRecordError):
        two.take_forests(b"forests")


@every_kind
def test_the_expected_logit_is_the_corrected_one(learner, sharing):
    made = teach(new(learner, sharing), stream(14, 30))
    z = np.array([40.0, 2.0])
    expected = made.bind(["gold"]).correct(np.array([0.3]), z).logits[0]
    assert made.expected_logit("gold", 0.3, z) == pytest.approx(expected, abs=1e-12)


@every_kind
def test_when_the_world_turns_it_says_so_and_follows_sooner(learner, sharing):
    """What gold earned card earns from the 1,200th choice on."""
    made = new(learner, sharing)
    deaf = new(learner, sharing, change_threshold=None)
    rng = np.random.default_rng(8)
    raised = []
    for turn in range(1_700):
        action = ("gold", "card")[turn % 2]
        pays = (action == "gold") == (turn < 1_200)
        label = float(rng.random() < (0.9 if pays else 0.02))
        z = rng.normal([40.0, 3.0], [12.0, 2.0])
        row = Resolved(
            action, -1.0, z, label, 30.0 * label, 8.0, 0.5, ("card", "gold"), np.zeros(2)
        )
        for each in (made, deaf):
            teach(each, [row])
        if made.alarms > len(raised):
            raised.append(turn)
            made = read_learner(made.to_bytes(), made.settings)
    shared = sharing == "shared"  # gold and card are of one group: nothing tells them apart
    assert (raised == []) if shared else (len(raised) == 1 and 1_200 < raised[0] < 1_400)
    assert (made.alarms, deaf.alarms) == (len(raised), 0)
    if not shared:
        assert _gap(made, "card", "gold") > _gap(deaf, "card", "gold")


def _gap(learner, better, worse):
    """Return by how much one candidate is corrected above another."""
    correction = learner.bind([better, worse]).correct(np.full(2, -1.0), np.array([40.0, 3.0]))
    told = correction.logits if correction.rewards is None else correction.rewards
    return float(told[0] - told[1])
