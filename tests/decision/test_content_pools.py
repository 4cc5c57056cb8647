"""Contents pool what is known of their message, of their action, and of what shares a term."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import Shop, lesson, write_project

from nba.bandits import BanditSettings, OnlineLogistic
from nba.decision.content_pools import DOUBT, ContentPools, circles_of
from nba.decision.learned import Learned
from nba.domain.catalog import Content
from nba.domain.ids import ActionId, ContentId, PlacementId, Term
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of

SETTINGS = BanditSettings(features=("age",), forgetting=1.0)


def content(name: str, action: str, group: str, *terms: str) -> Content:
    return Content(
        id=ContentId(name),
        action=ActionId(action),
        group=group,
        placements=(PlacementId("web.hero"),),
        locale="en",
        terms=tuple(Term(term) for term in terms),
    )


CONTENTS = (
    content("coat.warm.en", "coat", "coat.warm", "tone:feeling/cosy"),
    content("coat.warm.de", "coat", "coat.warm"),
    content("coat.price.en", "coat", "coat.price", "tone:plain"),
    content("skis.cosy.en", "skis", "skis.cosy", "tone:feeling/cosy"),
    content("skis.wild.en", "skis", "skis.wild", "tone:feeling/wild"),
    content("card.en", "card", "card"),
)
IDS = tuple(one.id for one in CONTENTS)


def observed(counts: dict[str, int], label: float = 1.0) -> OnlineLogistic:
    learned = OnlineLogistic(SETTINGS)
    for name, count in counts.items():
        for turn in range(count):
            learned.update(name, -1.0, [float(turn % 5)], label)
    return learned


def expected_towards(learned: OnlineLogistic, chosen: Content) -> np.ndarray:
    """Return what kin suggest, circle by circle from the widest, said with loops."""
    towards = np.zeros(3)
    for circle in reversed(list(circles_of(chosen))):
        others = [c for c in CONTENTS if c.id != chosen.id and circle in circles_of(c)]
        counts = [learned.count(c.id) for c in others]
        pulls = [learned.learned([c.id])[0] * n for c, n in zip(others, counts, strict=True)]
        towards = (sum(pulls, np.zeros(3)) + DOUBT * towards) / (sum(counts) + DOUBT)
    return towards


@given(st.dictionaries(st.sampled_from(IDS), st.integers(1, 80), max_size=6))
def test_a_content_nobody_saw_is_expected_to_do_as_its_kin(counts: dict[str, int]) -> None:
    learned = observed(counts)
    pooled = ContentPools(CONTENTS).pooled(learned)
    expected = learned.bind(IDS, np.array([expected_towards(learned, one) for one in CONTENTS]))
    logits, bound, alone = np.zeros(len(IDS)), pooled.bind(IDS), learned.bind(IDS)
    np.testing.assert_allclose(bound.logits(logits, [2.0]), expected.logits(logits, [2.0]))
    assert bound.variances(logits, [2.0]).tolist() == alone.variances(logits, [2.0]).tolist()
    for row in (row for row, name in enumerate(IDS) if name not in counts):
        shift = expected_towards(learned, CONTENTS[row])
        assert np.sign(bound.logits(logits, [np.nan])[row]) == np.sign(shift[0])


def test_the_closest_circle_counts_most() -> None:
    """The same message in another locale did badly, and all else that could be kin well."""
    well = dict.fromkeys(("coat.price.en", "skis.cosy.en", "skis.wild.en"), 200)
    learned = observed(well)
    for _ in range(200):
        learned.update("coat.warm.de", -1.0, [2.0], 0.0)
    pools = ContentPools(CONTENTS)
    bound = pools.pooled(learned).bind(["coat.warm.en", "card.en"])
    logits = bound.logits(np.full(2, -1.0), [2.0])
    assert logits[0] < -1.0
    assert logits[1] == -1.0  # it shares nothing with anybody
    without_group = pools.pooled(observed(well)).bind(["coat.warm.en"])
    assert without_group.logits(np.array([-1.0]), [2.0])[0] > -1.0


def test_contents_that_begin_together_pool_as_observations_come() -> None:
    """No one of them has an older one to start from: each has its own share of what all saw."""
    learned = observed({"coat.warm.en": 8, "coat.warm.de": 8})
    alone = learned.bind(["coat.warm.en"]).logits(np.array([-1.0]), [2.0])[0]
    pooled = ContentPools(CONTENTS).pooled(learned)
    assert pooled.bind(["coat.warm.en"]).logits(np.array([-1.0]), [2.0])[0] > alone + 0.02


def test_ones_own_observations_outweigh_those_of_kin() -> None:
    """After 5,000 of its own, what kin suggest moves a logit by less than a hundredth."""
    learned = observed({"coat.warm.de": 300})
    for turn in range(5_000):
        learned.update("coat.warm.en", -1.0, [float(turn % 5)], float(turn % 4 == 0))
    alone = learned.bind(["coat.warm.en"]).logits(np.array([-1.0]), [2.0])[0]
    pooled = ContentPools(CONTENTS).pooled(learned).bind(["coat.warm.en"])
    assert pooled.logits(np.array([-1.0]), [2.0])[0] == pytest.approx(alone, abs=0.01)


def test_kin_say_nothing_where_nothing_was_observed() -> None:
    learned = OnlineLogistic(SETTINGS)
    pooled = ContentPools(CONTENTS).pooled(learned)
    logits = np.linspace(-3.0, 3.0, len(IDS))
    assert pooled.bind(IDS).logits(logits, [7.0]).tolist() == logits.tolist()
    assert ContentPools(()).pooled(learned).bind([]).logits(np.zeros(0), [7.0]).tolist() == []


def test_a_decision_expects_of_a_new_content_what_its_kin_did(shop: Shop, tmp_path: Path) -> None:
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0})
    for _ in range(50):
        learner.learn(lesson(row, "web.hero", "shirt", 1.0, "shirt.en.a"))
        learner.learn(lesson(row, "web.hero", "shirt", 1.0, "shirt.en.b"))
    second = "slots: {title: Your shirt}}\n"
    third = (
        f"{second}  - {{id: shirt.en.c, action: shirt, group: shirt, locale: en, "
        "placements: *all, slots: {title: Shirts}}\n"
    )
    project = write_project(tmp_path / "wider", catalog=(second, third))
    wider = Shop(project)
    later = PlanLearner(wider.plan, learner.learned)
    assert later.start_new() == 1
    assert later.start_new() == 0
    slot = wider.plan.with_learner(later.learned, 1).placements["web.hero"]
    variants = slot.contents.variants(slot.action_ids.index("shirt"), "en")
    names = [slot.contents.rows[index].id for index in variants]
    z = wider.plan.learner_inputs(row)
    found = slot.content_arbitration.propensities(variants, 0.0, z)
    of = dict(zip(names, found.tolist(), strict=True))
    assert 0.5 < of["shirt.en.c"] < min(of["shirt.en.a"], of["shirt.en.b"])
    nothing = wider.plan.with_learner(Learned.nothing(shop.project.bandit), 2)
    slot = nothing.placements["web.hero"]
    assert slot.content_arbitration.propensities(variants, 0.0, z).tolist() == [0.5] * 3
