"""``consent``: agreed to this channel for this purpose."""

from __future__ import annotations

from collections.abc import Callable

from nba.domain.consent import consent_code
from nba.domain.ids import PolicyId
from nba.domain.policy import Missing, Selector
from nba.policies import GuardStack, Situation
from nba.policies.kinds import ConsentPolicy

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

CONSENT = ConsentPolicy(id=PolicyId("p"), description="d")


def test_consent_is_of_the_channel_and_the_purpose(
    guard: Guard, moment: Moment, left: Left
) -> None:
    consents = {
        consent_code("email", "marketing"): True,
        consent_code("email", "credit"): False,
        consent_code("sms", "service"): True,
    }
    situation = moment(consents=consents)
    assert left(guard(CONSENT), situation) == {
        "card": "consent.denied",
        "survey": "consent.unknown",
    }
    assert left(guard(CONSENT, placement="sms.text"), situation) == {
        "card": "consent.unknown",
        "shirt": "consent.unknown",
    }


def test_open_policy_is_open_for_service_only_and_heeds_a_denial(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(ConsentPolicy(id=PolicyId("p"), description="d", missing=Missing.OPEN))
    unknown = dict.fromkeys(("card", "shirt"), "consent.unknown")
    assert left(stack, moment()) == unknown
    denied = moment(consents={consent_code("email", "service"): False})
    assert left(stack, denied) == {**unknown, "survey": "consent.denied"}
    granted = moment(consents={consent_code("email", "marketing"): True})
    assert left(stack, granted) == {"card": "consent.unknown"}


def test_a_policy_of_several_purposes_asks_for_each(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(
        ConsentPolicy(id=PolicyId("p"), description="d", purposes=("credit", "marketing"))
    )
    situation = moment(consents={consent_code("email", "credit"): True})
    assert left(stack, situation) == {"shirt": "consent.unknown"}


def test_a_consent_of_another_channel_is_none(guard: Guard, moment: Moment, left: Left) -> None:
    situation = moment(consents={consent_code("sms", "marketing"): True})
    assert left(guard(CONSENT), situation)["shirt"] == "consent.unknown"


def test_policy_of_one_purpose_leaves_others_alone(
    guard: Guard, moment: Moment, left: Left
) -> None:
    stack = guard(ConsentPolicy(id=PolicyId("p"), description="d", purposes=("credit",)))
    assert left(stack, moment()) == {"card": "consent.unknown"}


def test_selector_limits_where_consent_is_needed(guard: Guard, moment: Moment, left: Left) -> None:
    policy = ConsentPolicy(
        id=PolicyId("p"), description="d", applies_to=Selector(directions=("outbound",))
    )
    assert left(guard(policy, placement="web.hero"), moment()) == {}
    assert set(left(guard(policy), moment())) == {"card", "shirt", "survey"}
