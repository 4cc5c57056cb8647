"""Which variant of an action is shown, what policies about contents do, and what dates do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from shop import DAY_MS, NOW_MS, ask

from nba.decision.answer import encode_answer
from nba.decision.explain import explain, replay
from nba.decision.pipeline import decide
from nba.decision.recording import read_record
from nba.domain.ids import NO_ACTION, DecisionId

RULES = "web.rules"

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
