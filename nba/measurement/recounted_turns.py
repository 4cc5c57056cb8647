"""Turns of contents, recounted: nothing was shown while it was surely another's turn.

What other guardrails left of an action's contents is not in the log. So a content is held against
nobody unless another was free to be shown: it has no dates and stands in no group with a master,
and no other policy is about contents at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nba.domain.catalog import Catalog, Content
from nba.measurement.said import Contact, Log, duration_seconds, selects_content

PolicyData = Mapping[str, Any]
Found = Iterator[tuple[Contact, str]]

_ABOUT = ("contents", "groups", "except_contents", "except_groups")


def rotations(
    policy: PolicyData,
    contacts: list[Contact],
    log: Log,
    catalog: Catalog,
    policies: Sequence[PolicyData],
) -> Found:
    """Yield contacts that showed a content although it was the turn of another."""
    if any(_is_about_contents(other) for other in policies if other is not policy):
        return
    window_s = duration_seconds(policy["window"])
    by_count = policy.get("by", "least_recent") == "fewest"
    families: dict[tuple[str, str], list[Content]] = defaultdict(list)
    for content in catalog.contents:
        families[content.action, content.locale].append(content)
    known = {str(content.id): content for content in catalog.contents}
    masters = {content.group for content in catalog.contents if content.master}
    for contact in contacts:
        shown = known.get(str(contact.content))
        if shown is None:
            continue
        before = [
            other
            for other in log.contacts[contact.customer_id]
            if (other.at_ms, other.row) < (contact.at_ms, contact.row)
            and other.at_ms // 1_000 >= contact.at_ms // 1_000 - window_s
        ]
        mine = _turn(shown, before, by_count=by_count)
        for rival in families[shown.action, shown.locale]:
            is_free = not (rival.starts or rival.ends) and rival.group not in masters
            is_here = contact.placement.id in rival.placements
            if not (is_free and is_here and selects_content(policy.get("applies_to"), rival)):
                continue
            if _turn(rival, before, by_count=by_count) < mine:
                yield contact, f"it was the turn of {rival.id}"
                break


def _turn(content: Content, before: Sequence[Contact], *, by_count: bool) -> int:
    """Return how often, or until when, something was shown; whose is least has its turn."""
    moments = [other.at_ms // 1_000 + 1 for other in before if other.content == content.id]
    return len(moments) if by_count else max(moments, default=0)


def _is_about_contents(policy: PolicyData) -> bool:
    selector = policy.get("applies_to") or {}
    named = any(selector.get(key) for key in _ABOUT)
    return named or policy["kind"] == "rotation" or "content." in policy.get("condition", "")
