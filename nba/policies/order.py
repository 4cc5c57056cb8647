"""The order in which guardrails are evaluated, and which message classes each kind concerns.

1. ``validity``: has it started, and not ended (the dates of actions and contents themselves)
2. ``consent``: may we talk to them here, for this purpose, at all
3. ``audience``: are they among those it is for
4. ``eligibility``: may they ever have it
5. ``applicability``: does it fit now
6. ``suitability``: should we
7. ``suppression``: has something happened after which it pauses
8. ``sequence``: has what must come before it come
9. ``exclusion``: was something said that it may not be said with
10. ``contact_cap``: have we said enough
11. ``budget``: is there anything left to spend on it
12. ``diversity``: has this answer enough of its kind
13. ``fairness``: does their group get more than its share of it
14. ``quiet_hours``: is it a time to be left alone
15. ``holdout``: are they left alone to measure the rest
16. ``rotation``: of the contents of an action, is it another's turn

Every policy is evaluated; the first in this order that drops a candidate is the one named, and
policies of one kind keep the order they were given in. What is left is then shaped by ``lever``
and ``exploration``. ``no_action`` is never selected, so nothing ever drops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from nba.domain.catalog import Action, MessageClass
from nba.domain.policy import Selector

ORDER = (
    "validity",
    "consent",
    "audience",
    "eligibility",
    "applicability",
    "suitability",
    "suppression",
    "sequence",
    "exclusion",
    "contact_cap",
    "budget",
    "diversity",
    "fairness",
    "quiet_hours",
    "holdout",
    "rotation",
)
"""Kinds that drop candidates, first to last."""

SHAPERS = ("lever", "exploration")
"""Kinds that shape what is left."""


class Concern(StrEnum):
    """Whether a kind concerns the actions of a message class."""

    ALWAYS = "always"
    NAMED = "where named"
    """Only where the selector names the action or its message class."""
    NEVER = "never"


_ALWAYS, _NAMED, _NEVER = Concern

CONCERNS: Mapping[str, Mapping[MessageClass, Concern]] = {
    kind: dict(zip(MessageClass, row, strict=True))
    for kind, row in {
        #                promotional transactional mandatory
        "validity": (_ALWAYS, _ALWAYS, _ALWAYS),
        "consent": (_ALWAYS, _ALWAYS, _NEVER),
        "audience": (_ALWAYS, _ALWAYS, _NEVER),
        "eligibility": (_ALWAYS, _ALWAYS, _ALWAYS),
        "applicability": (_ALWAYS, _ALWAYS, _ALWAYS),
        "suitability": (_ALWAYS, _NAMED, _NEVER),
        "suppression": (_ALWAYS, _NAMED, _NEVER),
        "sequence": (_ALWAYS, _ALWAYS, _NEVER),
        "exclusion": (_ALWAYS, _NAMED, _NEVER),
        "contact_cap": (_ALWAYS, _NAMED, _NEVER),
        "budget": (_ALWAYS, _NAMED, _NEVER),
        "diversity": (_ALWAYS, _NEVER, _NEVER),
        "fairness": (_ALWAYS, _NAMED, _NEVER),
        "quiet_hours": (_ALWAYS, _ALWAYS, _NEVER),
        "holdout": (_ALWAYS, _NEVER, _NEVER),
        "rotation": (_ALWAYS, _ALWAYS, _ALWAYS),
        "lever": (_ALWAYS, _ALWAYS, _NEVER),
        "exploration": (_ALWAYS, _ALWAYS, _NEVER),
    }.items()
}
"""What a kind may do to a message class.

A promotion passes every guardrail. A transactional message, which the customer's own doing called
for, is held back by a cap or by suitability only where the policy names it, and by no holdout. A
mandatory one has only to be allowed and to fit.
"""


def concerns(kind: str, selector: Selector, action: Action) -> bool:
    """Say whether policies of a kind may do anything to an action their selector selects."""
    concern = CONCERNS[kind][action.message_class]
    if concern is Concern.NAMED:
        return action.id in selector.actions or action.message_class in selector.message_classes
    return concern is Concern.ALWAYS
