"""The stack against a slow, obvious reference; and what must hold for every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.catalog import Action, Catalog, MessageClass, Placement
from nba.domain.consent import consent_code
from nba.domain.ids import PolicyId, hash32, uniform_hash
from nba.domain.policy import Missing, Policy, Selector
from nba.expressions import Schema, Value, interpret, parse
from nba.policies import (
    KINDS,
    ORDER,
    SHAPERS,
    Candidates,
    Drop,
    GuardStack,
    PolicyKind,
    Situation,
    compile_guards,
)
from nba.policies.kinds import (
    Applicability,
    AudiencePolicy,
    Budget,
    ConsentPolicy,
    ContactCap,
    Diversity,
    Eligibility,
    Exclusion,
    Exploration,
    Fairness,
    Holdout,
    Lever,
    QuietHours,
    Rotation,
    SequencePolicy,
    Suitability,
    Suppression,
)
from nba.policies.kinds.fairness import OnBreach
from nba.policies.order import concerns

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

NOW_S = 1_750_000_000
DAY = 86_400
P, D = PolicyId("p"), "d"

CLOSING: Mapping[str, PolicyKind] = {
    "consent": ConsentPolicy(id=P, description=D),
    "audience": AudiencePolicy(id=P, description=D, in_=("nobody",)),
    "eligibility": Eligibility(id=P, description=D, condition="customer.age > 1"),
    "applicability": Applicability(id=P, description=D, condition="customer.age > 1"),
    "suitability": Suitability(id=P, description=D, condition="customer.age > 1"),
    "suppression": Suppression(id=P, description=D, outcomes=("reject",), pause=timedelta(days=1)),
    "sequence": SequencePolicy(id=P, description=D, after=Selector(), within=timedelta(days=1)),
    "exclusion": Exclusion(id=P, description=D, window=timedelta(days=1)),
    "contact_cap": ContactCap(id=P, description=D, limit=1, window=timedelta(days=1)),
    "diversity": Diversity(id=P, description=D, dimension="product"),
    "quiet_hours": QuietHours(id=P, description=D, start="22:00", end="08:00"),
    "budget": Budget(id=P, description=D, limit=1),
    "fairness": Fairness(
        id=P, description=D, by="member", max_ratio=1.25, on_breach=OnBreach.BLOCK
    ),
    "holdout": Holdout(id=P, description=D, share=1.0, salt="s"),
    "rotation": Rotation(id=P, description=D, window=timedelta(days=1)),
    "lever": Lever(id=P, description=D, weight=2.0),
    "exploration": Exploration(id=P, description=D, floor=0.1, max_share=0.5),
}
"""One policy a kind that, of a customer nothing is known of, lets nothing promotional through.

``diversity`` looks at the answer alone, and ``rotation`` chooses among contents: they lack nothing.
"""

DROPPERS = tuple(
    kind for kind in ORDER if kind in CLOSING and kind not in {"diversity", "rotation"}
)
"""Kinds that drop actions, in order; ``validity`` is no policy that is written."""


def test_every_kind_has_an_example_here() -> None:
    assert set(CLOSING) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_named_by_its_policies_and_documented(kind: str) -> None:
    policy = CLOSING[kind]
    assert policy.kind == kind
    assert type(policy) is KINDS[kind]
    assert (KINDS[kind].__doc__ or "").strip()
    assert list(policy.problems()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_kind_documents_its_reason_codes_and_speaks_in_sentences(kind: str) -> None:
    policy = CLOSING[kind]
    assert policy.causes
    for cause, documented in enumerate(policy.causes):
        reason = policy.reason(cause)
        assert reason.code == documented.code
        assert reason.code.startswith(f"{kind}.")
        assert (reason.stage, reason.policy) == (kind, "p")
        assert documented.meaning
        assert reason.sentence.startswith("d (")


def test_reason_codes_are_unique() -> None:
    codes = [cause.code for kind in KINDS.values() for cause in kind.causes]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", DROPPERS)
def test_nothing_known_closes_by_default_but_never_to_no_action(
    guard: Guard, moment: Moment, kind: str
) -> None:
    verdicts = guard(CLOSING[kind]).evaluate(moment(complete_since_s=NOW_S))
    assert verdicts.dropped_by[:3].tolist() == [-1, 0, 0]


@pytest.mark.parametrize("kind", SHAPERS)
def test_shapers_drop_nothing_and_leave_no_action_alone(
    guard: Guard, moment: Moment, kind: str
) -> None:
    stack = guard(CLOSING[kind])
    assert stack.evaluate(moment()).dropped_by.tolist() == [-1] * 5
    era = stack.era(NOW_S * 1_000)
    assert (era.levers[0], era.floors[0], era.ceilings[0]) == (1.0, 0.0, 1.0)


def test_first_policy_in_the_stated_order_is_named_whatever_order_they_come_in(
    guard: Guard, moment: Moment, left: Left
) -> None:
    situation = moment(complete_since_s=NOW_S)
    for position in range(len(DROPPERS)):
        stack = guard(*(CLOSING[kind] for kind in reversed(DROPPERS[position:])))
        assert left(stack, situation)["card"].startswith(f"{DROPPERS[position]}.")


def test_policies_of_one_kind_keep_their_order(guard: Guard, moment: Moment) -> None:
    first, second = (replace(CLOSING["eligibility"], id=PolicyId(name)) for name in "ba")
    stack = guard(CLOSING["holdout"], first, second)
    verdicts = stack.evaluate(moment())
    assert [policy.id for policy in stack.policies] == ["b", "a", "p"]
    assert stack.reason(int(verdicts.dropped_by[1])).policy == "b"


def test_empty_stack_keeps_everything(guard: Guard, moment: Moment) -> None:
    verdicts = guard().evaluate(moment())
    assert verdicts.dropped_by.tolist() == [-1] * 5
    assert not verdicts.holdout


def test_reason_of_an_index_is_that_of_its_first_cause(guard: Guard) -> None:
    stack = guard(CLOSING["consent"])
    assert stack.reason(0).code == "consent.denied"
    assert stack.reason(Drop(0, 1)).code == "consent.unknown"


def test_first_candidate_must_be_no_action(catalog: Catalog, schema: Schema) -> None:
    candidates = Candidates(catalog.placements[0], catalog.actions[1:], np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"row 0 of placement email\.body must be no_action"):
        compile_guards([], candidates, schema, catalog=catalog)


def test_policy_of_no_known_kind_is_refused_rather_than_ignored(guard: Guard) -> None:
    with pytest.raises(TypeError, match="no known kind"):
        guard(Policy(id=P, description=D))


# A reference that judges one policy and one candidate at a time, with nothing shared or compiled.


@dataclass(frozen=True)
class Judge:
    """Everything the reference looks at."""

    catalog: Catalog
    schema: Schema
    placement: Placement
    situation: Situation

    def cause(  # noqa: PLR0911 - one case a kind
        self, policy: PolicyKind, action: Action
    ) -> int | None:
        """Return the cause for which a policy drops an action, if it does."""
        if not policy.applies_to.matches(action, self.placement):
            return None
        if not concerns(policy.kind, policy.applies_to, action):
            return None
        match policy:
            case Eligibility() | Applicability() | Suitability():
                answer = interpret(parse(policy.condition, self.schema), self._values(action))
                return _judge(answer, policy.missing)
            case ConsentPolicy():
                if policy.purposes and action.purpose not in policy.purposes:
                    return None
                code = consent_code(self.placement.channel, action.purpose)
                sells = action.message_class is MessageClass.PROMOTIONAL
                missing = Missing.CLOSED if sells else policy.missing
                return _judge(self.situation.consents.get(code), missing)
            case ContactCap():
                return self._capped(policy)
            case QuietHours():
                return self._quiet(policy)
            case Holdout():
                share = uniform_hash(policy.salt, self.situation.customer_id)
                return 0 if share < policy.share else None
        return None

    def _values(self, action: Action) -> dict[str, Value]:
        age, member = self.situation.symbols.tolist()
        return {
            "customer.age": age,
            "customer.member": None if np.isnan(member) else bool(member),
            "action.value": action.value,
            "action.terms[product:credit]": action.has_term("product:credit"),
        }

    def _capped(self, policy: ContactCap) -> int | None:
        past = self.situation.history
        earliest = NOW_S - policy.window_seconds
        pairs = [(a, p) for a in self.catalog.actions for p in self.catalog.placements]
        selected = {
            (hash32(a.id), hash32(p.id)) for a, p in pairs if policy.applies_to.matches(a, p)
        }
        known = {(hash32(a.id), hash32(p.id)) for a, p in pairs}
        count = sum(
            at >= earliest and (pair in selected or pair not in known)
            for at, *rest in past.table.tolist()
            for pair in [tuple(rest[:2])]
        )
        if count >= policy.limit:
            return 0
        return 1 if past.complete_since_s > earliest else None

    def _quiet(self, policy: QuietHours) -> int | None:
        if self.situation.time_zone is None:
            return 1 if policy.missing is Missing.CLOSED else None
        zone = ZoneInfo(self.situation.time_zone)
        now = datetime.fromtimestamp(self.situation.at_ms / 1_000, UTC)
        step = now
        # Walk back minute by minute: quiet if the period's start comes before its end.
        for _ in range(24 * 60 + 1):
            local = step.astimezone(zone)
            wall = local.strftime("%H:%M")
            if wall == policy.end:
                return None
            if wall == policy.start:
                day = local.strftime("%a").lower()
                return 0 if not policy.days or day in policy.days else None
            step -= timedelta(minutes=1)
        raise AssertionError("every day has its start")


def _judge(answer: object, missing: Missing) -> int | None:
    if answer is None:
        return 1 if missing is Missing.CLOSED else None
    return None if answer else 0


SELECTORS = st.sampled_from(
    [
        Selector(),
        Selector(terms=("product:credit",)),
        Selector(actions=("shirt", "survey")),
        Selector(channels=("email",)),
        Selector(directions=("outbound",), except_actions=("shirt",)),
        Selector(message_classes=("promotional", "transactional")),
    ]
)
MISSING = st.sampled_from(Missing)
CONDITIONS = st.sampled_from(
    [
        "customer.age >= 18",
        "customer.member || customer.age > 40",
        "customer.age > action.value",
        '!("product:credit" in action.terms) || customer.member',
        "action.value > 3",
        "has(customer.age)",
    ]
)
COMMON = {"id": st.just(P), "description": st.just(D), "applies_to": SELECTORS}
POLICIES = st.one_of(
    st.builds(Eligibility, **COMMON, condition=CONDITIONS, missing=MISSING),
    st.builds(Applicability, **COMMON, condition=CONDITIONS, missing=MISSING),
    st.builds(Suitability, **COMMON, condition=CONDITIONS, missing=MISSING),
    st.builds(
        ConsentPolicy, **COMMON, purposes=st.sampled_from([(), ("credit",)]), missing=MISSING
    ),
    st.builds(
        ContactCap,
        **COMMON,
        limit=st.integers(1, 3),
        window=st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=7)]),
    ),
    st.builds(
        QuietHours,
        **COMMON,
        start=st.sampled_from(["15:00", "22:00", "17:00"]),
        end=st.sampled_from(["08:00", "15:06", "15:07", "17:06"]),
        days=st.sampled_from([(), ("sun",), ("sat",), ("mon", "tue")]),
        missing=MISSING,
    ),
    st.builds(Holdout, **COMMON, share=st.sampled_from([0.0, 0.5, 1.0]), salt=st.just("s")),
    st.builds(Lever, **COMMON, weight=st.just(2.0)),
)
CONTACTS = st.lists(
    st.tuples(
        st.sampled_from([0, 3_599, 3_600, 3_601, DAY, DAY + 1, 7 * DAY]),
        st.sampled_from(["card", "shirt", "survey", "notice"]),
        st.sampled_from(["email.body", "sms.text", "web.hero"]),
    ),
    max_size=6,
)
CONSENTS = st.dictionaries(
    st.builds(
        consent_code,
        st.sampled_from(["email", "sms"]),
        st.sampled_from(["credit", "marketing", "service"]),
    ),
    st.booleans(),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    policies=st.lists(POLICIES, max_size=6),
    place=st.integers(0, 2),
    contacts=CONTACTS,
    facts=st.fixed_dictionaries(
        {
            "age": st.sampled_from([np.nan, 17.0, 18.0, 60.0]),
            "member": st.sampled_from([np.nan, 0.0, 1.0]),
            "consents": CONSENTS,
            "time_zone": st.sampled_from([None, "UTC", "Europe/Vienna", "Asia/Kathmandu"]),
            "customer_id": st.sampled_from(["a", "b", "c"]),
            "complete_since_s": st.sampled_from([0, NOW_S - DAY]),
        }
    ),
)
def test_stack_agrees_with_judging_one_policy_and_candidate_at_a_time(
    catalog: Catalog,
    schema: Schema,
    guard: Guard,
    moment: Moment,
    policies: Sequence[PolicyKind],
    place: int,
    contacts: list[tuple[int, str, str]],
    facts: dict[str, object],
) -> None:
    placement = catalog.placements[place]
    situation = moment(contacts=contacts, **facts)
    stack = guard(*policies, placement=placement.id)
    judge = Judge(catalog, schema, placement, situation)
    expected = [
        [
            (index, cause)
            for index, policy in enumerate(stack.policies)
            if (cause := judge.cause(policy, action)) is not None
        ]
        for action in catalog.actions
    ]
    assert stack.explain(situation) == expected
    verdicts = stack.evaluate(situation)
    first = [drops[0] if drops else (-1, 0) for drops in expected]
    assert list(zip(verdicts.dropped_by.tolist(), verdicts.causes.tolist(), strict=True)) == first
    named = {index for index, _ in chain.from_iterable(expected)}
    assert verdicts.holdout is any(isinstance(stack.policies[index], Holdout) for index in named)
