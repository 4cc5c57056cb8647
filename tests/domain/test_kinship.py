"""New actions start where their kin have got to."""

from __future__ import annotations

import numpy as np
import pytest

from nba.bandits import BanditSettings, HybridLearner
from nba.domain.catalog import Action
from nba.domain.ids import NO_ACTION, ActionId, Term
from nba.domain.kinship import Kinship


def action(name: str, *terms: str) -> Action:
    return Action(id=ActionId(name), name=name, terms=tuple(Term(term) for term in terms))


COAT = action("coat", "product:fashion/outerwear/coats", "season:winter")
PARKA = action("parka", "product:fashion/outerwear", "season:winter")
SHIRT = action("shirt", "product:fashion/tops")
SKIS = action("skis", "product:sports", "season:winter")
CARD = action("card", "product:credit")
ALL = (COAT, PARKA, SHIRT, SKIS, CARD, action(NO_ACTION, "product:fashion"))


@pytest.mark.parametrize(
    ("known", "kin"),
    [
        ({"parka", "shirt", "skis", "card"}, ("parka",)),
        ({"shirt", "skis", "card"}, ("shirt", "skis")),
        ({"skis"}, ("skis",)),
        ({"card", NO_ACTION}, ()),
        (set(), ()),
        ({"coat"}, ()),
    ],
)
def test_the_closest_kin_that_are_known_count(known: set[str], kin: tuple[str, ...]) -> None:
    """What shares the narrowest term; at one depth, any of its dimensions counts."""
    assert Kinship(ALL).of(COAT, known) == kin


def test_saying_nothing_is_nobodys_kin() -> None:
    assert Kinship(ALL).of(ALL[-1], {"coat", "shirt"}) == ()


def test_a_new_action_starts_at_its_kins_mean_as_far_as_they_were_seen() -> None:
    """Of 50 observations half is believed, of 150 three quarters; the variance is the prior's."""
    learner = HybridLearner(BanditSettings(features=("age",), forgetting=1.0))
    for _ in range(50):
        learner.update("parka", 0.0, [1.0], 1.0)
    for _ in range(150):
        learner.update("shirt", 0.0, [1.0], 0.0)
    learner.start("coat", ["parka", "shirt", "unknown"])
    bound = learner.bind(["parka", "shirt", "coat", "fresh"])
    logits, variances = bound.estimate(np.zeros(4), [1.0])
    assert variances[2] == variances[3] > variances[1]
    means = [learner.online.mean(name)[0] for name in ("parka", "shirt", "coat")]
    assert means[0] > 0.0 > means[1]
    assert means[2] == pytest.approx((0.5 * means[0] + 0.75 * means[1]) / 2)
    assert logits[3] == 0.0
    assert not learner.start("coat", ["parka"])
