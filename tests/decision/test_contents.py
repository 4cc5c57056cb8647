"""Which variant of an action is shown, what policies about contents do, and what dates do."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from shop import DAY_MS, GREEDY, NOW_MS, ask, lesson

from nba.decision.answer import encode_answer
from nba.decision.explain import explain, replay
from nba.decision.pipeline import decide
from nba.decision.recording import read_record
from nba.domain.ids import NO_ACTION, DecisionId
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of

RULES, HERO = "web.rules", "web.hero"

MORE_FLOOR = ("gamma: 20", "gamma: 20\n  content_floor: 0.4")

NO_SHIRT_A = """
  - id: not_the_first_shirt
    kind: eligibility
    description: The first words are for adults.
    applies_to: {contents: [shirt.en.a]}
    condition: customer.age >= 40
  - id: left_alone
"""
NO_COAT_TEXTS = """
  - id: no_coats_in_words
    kind: applicability
    description: Nothing of the coat is shown on Sundays.
    condition: content.group != "coat"
  - id: left_alone
"""


def shown(decided):
    return [(choice.action, choice.content) for choice in decided.decision.choices]


def with_policy(text: str) -> tuple[str, str]:
    return ("\n  - id: left_alone\n", text)


def test_a_policy_about_a_content_leaves_the_other_variants(make_shop, inputs):
    shop = make_shop(policies=with_policy(NO_SHIRT_A))
    chosen = {
        shown(decide(shop.plan, inputs(shop.plan, RULES, seed=s, actions=("shirt",), age=30.0)))[0]
        for s in range(40)
    }
    assert chosen == {("shirt", "shirt.en.b")}
    older = {
        shown(decide(shop.plan, inputs(shop.plan, RULES, seed=s, actions=("shirt",), age=50.0)))[0]
        for s in range(40)
    }
    assert older == {("shirt", "shirt.en.a"), ("shirt", "shirt.en.b")}


def test_an_action_with_no_content_left_is_dropped(make_shop, inputs):
    shop = make_shop(policies=with_policy(NO_COAT_TEXTS))
    decided = decide(shop.plan, inputs(shop.plan, RULES, actions=("coat",)))
    assert shown(decided) == [(NO_ACTION, None)]
    decided = decide(shop.plan, inputs(shop.plan, (RULES, 2), actions=("coat", "shirt")))
    assert {action for action, _ in shown(decided)} == {"shirt"}


def test_what_drops_a_content_is_explained_and_replayed(make_shop):
    shop = make_shop(policies=with_policy(NO_SHIRT_A))
    answer = asyncio.run(shop.service().decide(ask("anna", RULES, actions=("shirt",))))
    decision_id = DecisionId(msgspec.json.decode(answer)["decision_id"])
    record = read_record(asyncio.run(shop.ledger.records([decision_id]))[0])
    assert replay(shop.plan, record) == answer
    (placement,) = explain(shop.plan, record)["placements"]
    (shirt,) = [c for c in placement["candidates"] if c["action"] == "shirt"]
    dropped = {c["content"]: [r["policy"] for r in c["dropped_by"]] for c in shirt["contents"]}
    assert dropped == {"shirt.en.a": ["not_the_first_shirt"], "shirt.en.b": []}
    codes = [r["code"] for c in shirt["contents"] for r in c["dropped_by"]]
    assert codes == ["eligibility.unknown"], "of this customer no age is known"


@pytest.mark.parametrize(
    ("dates", "days", "expected"),
    [
        ("starts: 2025-06-16", 0, NO_ACTION),
        ("starts: 2025-06-16", 1, "coat"),
        ("ends: 2025-06-16", 0, "coat"),
        ("ends: 2025-06-16", 1, NO_ACTION),
        ("starts: 2025-06-15T17:06:40+02:00", 0, "coat"),
        ("ends: 2025-06-15T17:06:40+02:00", 0, NO_ACTION),
    ],
)
def test_an_action_is_said_between_its_dates(make_shop, inputs, dates, days, expected):
    shop = make_shop(catalog=("    name: Coat\n", f"    name: Coat\n    {dates}\n"))
    given = inputs(shop.plan, RULES, actions=("coat",))
    decided = decide(shop.plan, replace(given, at_ms=NOW_MS + days * DAY_MS))
    assert [choice.action for choice in decided.decision.choices] == [expected]


def test_a_content_is_shown_between_its_dates(make_shop, inputs):
    shop = make_shop(
        catalog=("{id: shirt.en.b, action", '{id: shirt.en.b, ends: "2025-06-15", action')
    )
    chosen = {
        shown(decide(shop.plan, inputs(shop.plan, RULES, seed=seed, actions=("shirt",))))[0]
        for seed in range(40)
    }
    assert chosen == {("shirt", "shirt.en.a")}


def test_a_policy_holds_between_its_dates(make_shop, inputs):
    ends = "kind: lever\n    ends: 2025-06-16\n"
    shop = make_shop(policies=("kind: lever\n", ends))
    given = inputs(shop.plan, RULES, actions=("card",))
    today, tomorrow = given, replace(given, at_ms=NOW_MS + DAY_MS)
    (now,) = decide(shop.plan, today).decision.choices
    (then,) = decide(shop.plan, tomorrow).decision.choices
    assert "lever" in now.reasons or now.score > then.score
    assert now.score + 0.5 == pytest.approx(2 * (then.score + 0.5), rel=1e-12)


def test_a_guardrail_that_has_ended_drops_nothing(make_shop, inputs):
    shop = make_shop(policies=("kind: eligibility\n", "kind: eligibility\n    ends: 2025-06-16\n"))
    given = inputs(shop.plan, RULES, actions=("card",), age=10.0)
    assert shown(decide(shop.plan, given)) == [(NO_ACTION, None)]
    later = decide(shop.plan, replace(given, at_ms=NOW_MS + DAY_MS))
    assert [action for action, _ in shown(later)] == ["card"]


QUIET = """
  - id: sundays
    kind: quiet_hours
    description: Sundays are quiet.
    applies_to: {directions: [outbound]}
    start: "08:00"
    end: "22:00"
    days: [sun]
  - id: left_alone
"""


def test_what_quiet_hours_alone_hold_back_says_when_it_may_be_sent(make_shop, inputs):
    shop = make_shop(policies=with_policy(QUIET))
    given = replace(inputs(shop.plan, "email.body", actions=("parcel",)), time_zone="Europe/Berlin")
    decision = decide(shop.plan, given).decision
    assert [choice.action for choice in decision.choices] == [NO_ACTION]
    assert msgspec.json.decode(encode_answer(decision))["not_before"] == {
        "email.body": "2025-06-15T20:00:00.000Z"
    }
    nobody_knows = replace(given, time_zone=None)
    assert decide(shop.plan, nobody_knows).decision.not_before == {}


def test_what_something_else_holds_back_too_says_nothing_about_when(make_shop, inputs):
    shop = make_shop(policies=with_policy(QUIET))
    given = replace(inputs(shop.plan, "email.body", actions=("card",)), time_zone="Europe/Berlin")
    decision = decide(shop.plan, given).decision
    assert [choice.action for choice in decision.choices] == [NO_ACTION]
    assert decision.not_before == {}, "there is no consent either"


def test_a_template_is_filled_in_from_what_the_record_keeps(make_shop):
    title = "\"For {{ customer.age | round: 0 | default: 'you' }}\""
    shop = make_shop(catalog=("slots: {title: A shirt}", f"slots: {{title: {title}}}"))
    texts = set()
    for number in range(20):
        known = {"age": 41} if number else {}
        request = ask(f"c{number}", RULES, actions=("shirt",), attributes=known)
        answer = asyncio.run(shop.service().decide(request))
        decided = msgspec.json.decode(answer)
        texts.add(decided["choices"][0]["slots"].get("title", "held out"))
        record = read_record(
            asyncio.run(shop.ledger.records([DecisionId(decided["decision_id"])]))[0]
        )
        assert replay(shop.plan, record) == answer
    assert texts <= {"For 41", "For you", "Your shirt", "held out"}
    assert "For 41" in texts


def chances_of(decided):
    (draw,) = decided.draws
    rows = draw.slot.contents.rows
    content = draw.content
    return dict(zip((rows[row].id for row in content.variants), content.probabilities, strict=True))


def fond_of_b(shop):
    """Return the plan after those above forty have clicked the second shirt, the others the first.

    Any wording of a shirt is worth showing; which one is what was learned.
    """
    learner = PlanLearner(shop.plan)
    for number in range(200):
        age = 20.0 + (number * 7) % 41
        for content in ("shirt.en.a", "shirt.en.b"):
            label = float((content == "shirt.en.b") == (age > 40.0))
            learner.learn(lesson(row_of(learner.plan, {"age": age}), HERO, "shirt", label, content))
    return shop.plan.with_learner(learner.learned, 1)


def test_the_variant_that_brings_more_for_a_customer_is_likelier_for_them(make_shop, inputs):
    plan = fond_of_b(make_shop(**GREEDY))
    for age, best in ((25.0, "shirt.en.a"), (55.0, "shirt.en.b")):
        decided = decide(plan, inputs(plan, actions=("shirt",), age=age))
        assert chances_of(decided) == {
            "shirt.en.a": 0.95 if best == "shirt.en.a" else pytest.approx(0.05, abs=1e-15),
            "shirt.en.b": 0.95 if best == "shirt.en.b" else pytest.approx(0.05, abs=1e-15),
        }


def test_a_content_is_drawn_as_often_as_its_recorded_chance_says(make_shop, inputs):
    plan = fond_of_b(make_shop(**GREEDY, **{"models/bandit.yaml": MORE_FLOOR}))
    counts: Counter[str] = Counter()
    for seed in range(2_000):
        (choice,) = decide(plan, inputs(plan, actions=("shirt",), seed=seed)).decision.choices
        assert choice.content_probability == pytest.approx(
            0.8 if choice.content == "shirt.en.a" else 0.2
        )
        counts[choice.content] += 1
    deviation = (0.8 * 0.2 * 2_000) ** 0.5
    assert abs(counts["shirt.en.a"] - 1_600) < 5 * deviation


def test_by_rules_variants_take_turns_whatever_was_learned(make_shop, inputs):
    plan = fond_of_b(make_shop(**GREEDY))
    for seed in range(20):
        decided = decide(plan, inputs(plan, RULES, seed=seed, actions=("shirt",)))
        assert chances_of(decided) == {"shirt.en.a": 0.5, "shirt.en.b": 0.5}
        assert decided.decision.choices[0].content_probability == 0.5


def test_an_arbiter_leaves_variants_to_take_turns(make_shop, inputs):
    plan = fond_of_b(make_shop(**GREEDY))
    given = inputs(plan, actions=("shirt",))
    decided = decide(plan, given, lambda seen: np.eye(len(seen.actions))[-1])
    assert chances_of(decided) == {"shirt.en.a": 0.5, "shirt.en.b": 0.5}


def test_what_is_certain_has_chance_one_and_saying_nothing_has_none(make_shop, inputs):
    shop = make_shop(**GREEDY, policies=with_policy(NO_SHIRT_A))
    (only,) = decide(shop.plan, inputs(shop.plan, actions=("coat",))).decision.choices
    assert (only.content, only.content_probability) == ("coat.en", 1.0)
    (left,) = decide(shop.plan, inputs(shop.plan, actions=("shirt",))).decision.choices
    assert (left.content, left.content_probability) == ("shirt.en.b", 1.0)
    (none,) = decide(shop.plan, inputs(shop.plan, terms=("channel:email",))).decision.choices
    assert (none.content, none.content_probability) == (None, None)


def test_a_broken_learner_of_contents_degrades_to_turns_and_says_so(make_shop, inputs):
    shop = make_shop(**GREEDY)
    learner = PlanLearner(shop.plan)
    learner.learned.contents._mean[:] = np.nan
    plan = shop.plan.with_learner(learner.learned, 1)
    decided = decide(plan, inputs(plan, actions=("shirt",)))
    assert decided.decision.degraded == ("content",)
    assert not decided.decision.fallback
    assert chances_of(decided) == {"shirt.en.a": 0.5, "shirt.en.b": 0.5}
    alone = decide(plan, inputs(plan, actions=("coat",)))
    assert alone.decision.degraded == (), "where there is one variant nothing is computed"


def test_explain_says_with_what_chance_each_variant_was_drawn(make_shop):
    """Those of the action chosen, from the record; among those of others nothing was drawn."""
    shop = make_shop(**GREEDY)
    shop.plan = fond_of_b(shop)

    async def main():
        await shop.put("anna", age=55.0)
        answer = await shop.decide("anna", actions=("shirt", "card"))
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        return answer, read_record(packed)

    answer, record = asyncio.run(main())
    assert replay(shop.plan, record) == record.answer
    explained = explain(shop.plan, record)
    said = {
        one["content"]: one["probability"]
        for candidate in explained["placements"][0]["candidates"]
        for one in candidate["contents"]
    }
    (choice,) = answer["choices"]
    assert choice["action"] == "shirt"
    assert said.pop("shirt.en.a") == pytest.approx(0.05, abs=1e-7)
    assert said.pop("shirt.en.b") == pytest.approx(0.95, abs=1e-7)
    assert set(said) >= {"card.en", "coat.en"}
    assert set(said.values()) == {None}
