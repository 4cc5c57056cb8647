"""Every kind that looks back agrees with a slow and obvious judge on any past."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from past import (
    Moment,
    Told,
    cap_cause,
    diversity_cause,
    exclusion_cause,
    packed,
    sequence_cause,
    suppression_cause,
    whose_turn,
)

from nba.domain.catalog import Catalog, Content
from nba.domain.ids import NO_ACTION, ContentId, PolicyId
from nba.domain.policy import Missing, Selector
from nba.policies import Candidates, GuardStack, Situation, compile_guards
from nba.policies.kinds import (
    ContactCap,
    Diversity,
    Exclusion,
    Rotation,
    SequencePolicy,
    Suppression,
)
from nba.policies.order import concerns

Guard = Callable[..., GuardStack]

NOW_S = 1_750_000_000
ACTIONS = ["card", "shirt", "survey", "notice", "gone", "no_action"]
PLACES = ["email.body", "sms.text", "web.hero", "gone.slot"]
OUTCOMES = ["delivered", "click", "reject"]
EVENTS = ["complaint", "order"]
CONTENTS = ["", "card.en", "shirt.en", "gone.en"]

# Times lie on whole minutes and a second to either side, where windows begin and end.
AGO_S = st.builds(lambda minute, off: 60 * minute + off, st.integers(-3, 9), st.integers(-1, 1))
MINUTES = st.integers(1, 8).map(lambda n: timedelta(minutes=n))


@st.composite
def pasts(draw):
    """Return entries in order of arrival: contacts, what came of them, and events."""
    past = []
    contacts = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["decision", "decision", "outcome", "event"]))
        at_s = NOW_S - draw(AGO_S)
        if kind == "event":
            of = f"m{draw(st.integers(0, 3))}"
            past.append(Told(at_s=at_s, what=f"event/{draw(st.sampled_from(EVENTS))}", of=of))
        elif kind == "outcome" and contacts:
            # Now and then its contact is no longer known.
            contact = draw(st.sampled_from(contacts))
            past.append(contact.came_to(draw(st.sampled_from(OUTCOMES)), at_s))
            if draw(st.integers(0, 9)) == 0:
                past = [told for told in past if told != contact]
        else:
            contact = _contact(draw, at_s, f"d{number}")
            contacts.append(contact)
            past.append(contact)
    return past


def _contact(draw, at_s, of):
    return Told(
        at_s=at_s,
        of=of,
        action=draw(st.sampled_from(ACTIONS)),
        placement=draw(st.sampled_from(PLACES)),
        content=draw(st.sampled_from(CONTENTS)),
    )


@st.composite
def answers(draw):
    """Return contacts that the answer itself made; of those the catalog knows all."""
    return [
        Told(
            at_s=NOW_S,
            of=f"own{number}",
            action=(action := draw(st.sampled_from(ACTIONS[:4]))),
            placement=draw(st.sampled_from(PLACES[:3])),
            content=f"{action}.en",
        )
        for number in range(draw(st.integers(0, 3)))
    ]


@st.composite
def selectors(draw, *, about_contents=False):
    """Return selectors of every sort."""
    sorts = [
        Selector(),
        Selector(terms=("product:credit",)),
        Selector(actions=("card", "shirt", "survey")),
        Selector(channels=("email",)),
        Selector(placements=("sms.text", "email.body")),
        Selector(directions=("outbound",), except_actions=("shirt",)),
        Selector(message_classes=("transactional", "promotional")),
    ]
    if about_contents:
        sorts = [Selector(contents=("card.en",)), Selector(groups=("shirt", "card"))]
    return draw(st.sampled_from(sorts))


def ids(make):
    """Return two or three policies, each with an id of its own."""
    made = st.lists(make, min_size=1, max_size=3)
    return made.map(lambda fields: [{**given, "id": PolicyId(f"p{n}"), "description": "d"}
                                    for n, given in enumerate(fields)])  # fmt: skip


def judged(stack: GuardStack, situation: Situation) -> list[dict[str, str]]:
    """Return by row the cause that each policy dropped it for."""
    return [
        {str(reason.policy): reason.code for reason in map(stack.reason, drops)}
        for drops in stack.explain(situation)
    ]


def check(guard: Guard, policies, moment: Moment, cause) -> None:
    """Compare a stack with a judge, row by row, in a placement that the past decides on."""
    catalog = moment.catalog
    placement = catalog.placements[len(moment.past) % len(catalog.placements)]
    stack = guard(*policies, placement=placement.id)
    situation = situation_of(moment)
    expected: list[dict[str, str]] = []
    for action in catalog.actions:
        causes = {
            str(policy.id): cause(policy, moment, action)
            for policy in policies
            if policy.applies_to.matches(action, placement)
            and concerns(policy.kind, policy.applies_to, action)
        }
        expected.append({name: code for name, code in causes.items() if code})
    assert judged(stack, situation) == expected
    dropped = stack.evaluate(situation).dropped_by >= 0
    assert dropped.tolist() == [bool(causes) for causes in expected]


def situation_of(moment: Moment) -> Situation:
    """Return the situation of a moment."""
    return Situation(
        customer_id="c",
        at_ms=moment.now_s * 1_000 + 999,
        symbols=np.zeros(2),
        consents={},
        time_zone=None,
        history=packed(moment.past, complete_since_s=moment.complete_since_s),
        answer_from=len(moment.earlier),
    )


LOOKS_BACK = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SINCE = st.one_of(st.just(0), AGO_S.map(lambda ago: NOW_S - ago))

CAPS = ids(
    st.fixed_dictionaries(
        {
            "applies_to": selectors(),
            "limit": st.integers(1, 3),
            "window": MINUTES,
            "counting": st.sampled_from(["decision", "delivered", "click"]),
            "hold": MINUTES,
            "release": st.sampled_from([(), ("reject",)]),
        }
    )
)


@LOOKS_BACK
@given(caps=CAPS, past=pasts(), answer=answers(), since=SINCE)
def test_caps_count_what_is_in_the_window_or_held(guard, catalog, caps, past, answer, since):
    policies = [
        ContactCap(**{**cap, "hold": None if cap["counting"] == "decision" else cap["hold"]})
        for cap in caps
    ]
    moment = Moment(
        now_s=NOW_S, catalog=catalog, earlier=past, answer=answer, complete_since_s=since
    )
    check(guard, policies, moment, lambda cap, at, _: cap_cause(cap, at))


SUPPRESSIONS = ids(
    st.fixed_dictionaries(
        {
            "applies_to": selectors(),
            "of": st.one_of(st.none(), selectors()),
            "outcomes": st.sampled_from([("reject",), ("delivered", "reject"), ("decision",)]),
            "events": st.sampled_from([(), ("complaint",)]),
            "without": st.sampled_from(["", "click"]),
            "times": st.integers(1, 3),
            "within": MINUTES,
            "pause": st.one_of(st.none(), MINUTES),
            "until_outcomes": st.sampled_from([(), ("click",)]),
            "until_events": st.sampled_from([(), ("order",)]),
            "missing": st.sampled_from(Missing),
        }
    )
)


@LOOKS_BACK
@given(found=SUPPRESSIONS, past=pasts(), answer=answers(), since=SINCE)
def test_suppressions_pause_after_what_happened(guard, catalog, found, past, answer, since):
    policies = [
        Suppression(**{**given, "within": None if given["times"] == 1 else given["within"]})
        for given in found
    ]
    moment = Moment(
        now_s=NOW_S, catalog=catalog, earlier=past, answer=answer, complete_since_s=since
    )
    check(guard, policies, moment, lambda p, at, _: suppression_cause(p, at))


SEQUENCES = ids(
    st.fixed_dictionaries(
        {
            "applies_to": selectors(),
            "after": st.one_of(selectors(), selectors(about_contents=True)),
            "outcome": st.sampled_from(["decision", "click"]),
            "at_least": st.integers(0, 3).map(lambda n: timedelta(minutes=n)),
            "within": st.integers(4, 9).map(lambda n: timedelta(minutes=n)),
        }
    )
)


@LOOKS_BACK
@given(found=SEQUENCES, past=pasts(), answer=answers(), since=SINCE)
def test_sequences_wait_for_what_comes_before(guard, catalog, found, past, answer, since):
    policies = [SequencePolicy(**given) for given in found]
    moment = Moment(
        now_s=NOW_S, catalog=catalog, earlier=past, answer=answer, complete_since_s=since
    )
    check(guard, policies, moment, lambda p, at, _: sequence_cause(p, at))


EXCLUSIONS = ids(
    st.fixed_dictionaries({"applies_to": selectors(), "window": st.one_of(st.none(), MINUTES)})
)


@LOOKS_BACK
@given(found=EXCLUSIONS, past=pasts(), answer=answers(), since=SINCE)
def test_exclusions_leave_what_was_said_alone(guard, catalog, found, past, answer, since):
    moment = Moment(
        now_s=NOW_S, catalog=catalog, earlier=past, answer=answer, complete_since_s=since
    )
    check(
        guard,
        [Exclusion(**given) for given in found],
        moment,
        lambda policy, at, action: exclusion_cause(policy, at, action.id, by_content=False),
    )


DIVERSITIES = ids(
    st.fixed_dictionaries(
        {
            "applies_to": selectors(),
            "dimension": st.just("product"),
            "limit": st.integers(1, 2),
            "depth": st.integers(1, 2),
        }
    )
)


@LOOKS_BACK
@given(found=DIVERSITIES, past=pasts(), answer=answers())
def test_diversity_counts_branches_of_the_answer(guard, catalog, found, past, answer):
    moment = Moment(now_s=NOW_S, catalog=catalog, earlier=past, answer=answer)
    check(guard, [Diversity(**given) for given in found], moment, diversity_cause)


@pytest.fixture(scope="session")
def variants(catalog: Catalog) -> tuple[Content, ...]:
    """Three contents of one action and one of another, in one placement."""
    return tuple(
        Content(
            id=ContentId(name),
            action=action,
            group=action,
            placements=(catalog.placements[0].id,),
            locale=name.rpartition(".")[2],
        )
        for name, action in [
            ("card.en", "card"),
            ("card2.en", "card"),
            ("card.de", "card"),
            ("shirt.en", "shirt"),
        ]
    )


@pytest.fixture(scope="session")
def about_contents(catalog, variants, schema) -> Callable[..., GuardStack]:
    """Compile policies for contents."""
    actions = {action.id: action for action in catalog.actions}
    owners = tuple(actions[content.action] for content in variants)

    def compile_for(*policies) -> GuardStack:
        columns = np.zeros((len(variants), 2))
        candidates = Candidates(catalog.placements[0], owners, columns, variants)
        return compile_guards(policies, candidates, schema, catalog=catalog)

    return compile_for


@LOOKS_BACK
@given(caps=CAPS, only=selectors(about_contents=True), past=pasts(), answer=answers(), since=SINCE)
def test_contents_are_capped_and_excluded_as_actions_are(
    about_contents, catalog, variants, caps, only, past, answer, since
):
    fields = {"id": PolicyId("c"), "description": "d", "applies_to": only}
    cap = ContactCap(**fields, limit=caps[0]["limit"], window=caps[0]["window"])
    apart = Exclusion(**{**fields, "id": PolicyId("e")}, window=caps[0]["window"])
    moment = Moment(
        now_s=NOW_S, catalog=catalog, earlier=past, answer=answer, complete_since_s=since
    )
    found = judged(about_contents(cap, apart), situation_of(moment))
    for content, causes in zip(variants, found, strict=True):
        expected = {}
        if only.matches_content(content):
            expected = {
                "c": cap_cause(cap, moment),
                "e": exclusion_cause(apart, moment, content.id, by_content=True),
            }
        assert causes == {name: code for name, code in expected.items() if code}


@LOOKS_BACK
@given(
    by=st.sampled_from(["fewest", "least_recent"]),
    window=MINUTES,
    capped=st.booleans(),
    past=pasts(),
    answer=answers(),
)
def test_rotation_leaves_those_whose_turn_it_is_of_what_is_open(
    about_contents, catalog, variants, by, window, capped, past, answer
):
    rotation = Rotation(id=PolicyId("r"), description="d", window=window, by=by)
    cap = ContactCap(
        id=PolicyId("c"),
        description="d",
        limit=1,
        window=timedelta(minutes=3),
        applies_to=Selector(contents=("card.en",)),
    )
    moment = Moment(now_s=NOW_S, catalog=catalog, earlier=past, answer=answer)
    stack = about_contents(*([cap] if capped else []), rotation)
    situation = situation_of(moment)
    found = judged(stack, situation)
    is_capped = capped and cap_cause(cap, moment) != ""
    left = [item for item in variants if not (is_capped and item.id == "card.en")]
    for number, content in enumerate(variants):
        family = [item for item in left if (item.action, item.locale) == (
            content.action, content.locale)]  # fmt: skip
        expected = {}
        if content not in left:
            expected = {"c": "contact_cap.reached"}
        elif content.id not in whose_turn(rotation, moment, family):
            expected = {"r": "rotation.others_turn"}
        assert found[number] == expected
        assert (stack.evaluate(situation).dropped_by[number] >= 0) == bool(expected)


@LOOKS_BACK
@given(caps=CAPS, past=pasts(), answer=answers(), stepped_back_s=st.integers(1, 600))
def test_a_clock_that_steps_back_lifts_no_cap(guard, caps, past, answer, stepped_back_s):
    """What was closed a moment before is closed, as long as nothing more came."""
    policies = [ContactCap(**{**cap, "hold": None, "counting": "decision"}) for cap in caps]
    stack = guard(*policies)
    moment = Moment(now_s=NOW_S, catalog=None, earlier=past, answer=answer)
    earlier = Moment(now_s=NOW_S - stepped_back_s, catalog=None, earlier=past, answer=answer)
    closed = stack.evaluate(situation_of(moment)).dropped_by >= 0
    assume(closed.any())
    assert (stack.evaluate(situation_of(earlier)).dropped_by[closed] >= 0).all()


def test_nothing_ever_drops_no_action(guard, catalog):
    policy = SequencePolicy(
        id=PolicyId("s"), description="d", after=Selector(), within=timedelta(days=1)
    )
    moment = Moment(now_s=NOW_S, catalog=catalog, earlier=[])
    drops = guard(policy).explain(situation_of(moment))
    assert [len(found) for found in drops] == [0, 1, 1, 1, 0]
    assert catalog.actions[0].id == NO_ACTION
