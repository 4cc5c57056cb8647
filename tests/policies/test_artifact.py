"""Policies as plain data and back."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from nba.domain.ids import PolicyId
from nba.domain.policy import Missing, Selector
from nba.errors import CorruptRecordError
from nba.policies import policies_from_builtins, policies_to_builtins
from nba.policies.kinds import ConsentPolicy, ContactCap, Exploration

POLICIES = (
    ContactCap(
        id=PolicyId("cap"),
        description="d",
        applies_to=Selector(terms=("product:credit",), except_actions=("card",)),
        limit=2,
        window=timedelta(days=7, minutes=30),
    ),
    ConsentPolicy(
        id=PolicyId("consent"), description="d", purposes=("credit",), missing=Missing.OPEN
    ),
    Exploration(id=PolicyId("explore"), description="d", floor=0.05, max_share=0.5),
)


def test_policies_survive_the_plan_artifact() -> None:
    packed = msgspec.msgpack.encode(policies_to_builtins(POLICIES))
    assert policies_from_builtins(msgspec.msgpack.decode(packed)) == POLICIES


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"kind": "contact_cap"},
        {"kind": "spell"},
        {**policies_to_builtins(POLICIES)[0], "limit": "x"},
    ],
)
def test_data_that_is_no_policy_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(CorruptRecordError, match="policies cannot be read back"):
        policies_from_builtins([item])
