"""Policies as plain data, for the plan that every replica loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from nba.domain.policy import Policy
from nba.errors import CorruptRecordError
from nba.policies.kinds import KINDS, QuietHours


def policies_to_builtins(policies: Iterable[Policy]) -> list[dict[str, Any]]:
    """Return policies as dictionaries, lists, strings and numbers; a duration is ISO 8601.

    Quiet hours come with the dates of their calendars.
    """
    return [
        msgspec.to_builtins(policy.as_published() if isinstance(policy, QuietHours) else policy)
        for policy in policies
    ]


def policies_from_builtins(data: Sequence[Mapping[str, Any]]) -> tuple[Policy, ...]:
    """Return the policies that :func:`policies_to_builtins` was given.

    Raises :class:`~nba.errors.CorruptRecordError` where the data is not theirs.
    """
    try:
        return tuple(msgspec.convert(item, KINDS[item["kind"]]) for item in data)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise CorruptRecordError(f"policies cannot be read back: {error}") from error
