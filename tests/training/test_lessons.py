"""What learners need of a log is asked for before anything is learned."""

import pytest

from nba.domain.catalog import Action
from nba.domain.ids import ActionId, Term
from nba.errors import InputError
from nba.models.propensity import ModelInput
from nba.training.asked import parse_policy
from nba.training.dataset import resolved_choices
from nba.training.evaluation import evaluate
from nba.training.lessons import refuse_unlearnable

RECORDED = [
    ModelInput(name="age", level="situation", categories=None),
    ModelInput(name="region", level="situation", categories=("north", "south")),
    ModelInput(name="weight", level="candidate", categories=None),
]
SHOES = Action(id=ActionId("shoes"), name="Shoes", terms=(Term("product:feet/shoes"),))
LINEAR = "ucb,learner=linear,reward_cap=1"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("ucb,features=ages", "the log has no feature 'ages' of the situation; did you mean age?"),
        ("ucb,features=weight", "the log has no feature 'weight' of the situation; known: age"),
        ("ucb,features=region", "feature 'region' is text; a number or bool is expected; known: "),
        (
            f"{LINEAR},sharing=hybrid,dimensions=campaign",
            "no action of the log has a term in dimension 'campaign' in the catalog; known: prod",
        ),
    ],
)
def test_what_the_log_does_not_have_is_named(said, message):
    with pytest.raises(InputError) as refused:
        refuse_unlearnable([parse_policy(said)], RECORDED, ["shoes", "hats"], {"shoes": SHOES})
    (fault,) = refused.value.faults
    assert str(fault).startswith(f"--policy: {said!r}: {message}")


def test_what_is_there_is_not_refused_nor_what_needs_no_learner():
    said = ["greedy", "always:shoes", f"{LINEAR},features=age,sharing=hybrid,dimensions=product"]
    asked = [parse_policy(one) for one in said]
    refuse_unlearnable(asked, RECORDED, ["shoes"], {"shoes": SHOES})


def test_it_is_refused_before_anything_is_fitted(learnable):
    stages = []
    with pytest.raises(InputError, match="did you mean age"):
        evaluate(
            resolved_choices(learnable),
            policies=[parse_policy("ucb,features=agee")],
            progress=lambda stage, _: stages.append(stage),
        )
    assert stages == []
