"""Guardrails that look at what was said before, recounted contact by contact.

Everything is looked at anew for every contact, from plain rows. What arrived within moments of a
decision may or may not have been known to it, so that only what is certain is a violation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nba.measurement.evidence import Evidence
from nba.measurement.said import SETTLING_MS, Contact, Happened, Log, duration_seconds, selects

PolicyData = Mapping[str, Any]
Found = Iterator[tuple[Contact, str]]

_DAY_SECONDS = 86_400
_YEAR_SECONDS = 365 * _DAY_SECONDS
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def contact_caps(
    policy: PolicyData, contacts: list[Contact], log: Log, evidence: Evidence
) -> Found:
    """Yield contacts beyond the limit of their window."""
    limit, counting = int(policy["limit"]), policy.get("counting", "decision")
    hold_ms = 1_000 * duration_seconds(policy.get("hold", "1d"))
    for contact, before in _with_earlier(contacts):
        window = policy["window"]
        if isinstance(window, Mapping) and _zone(window, contact, evidence) is None:
            yield contact, "the customer's time zone was not known"
            continue
        inside = 1
        for other in before:
            had = log.outcomes.get((other.decision_id, other.choice), [])
            released = any(
                told.name in policy.get("release", ()) and told.received_ms <= _late(contact)
                for told in had
            )
            if counting == "decision":
                counts = not released and _in_window(policy, other.at_ms, contact, evidence)
            else:
                confirmed = [
                    told.at_ms
                    for told in had
                    if told.name == counting and told.received_ms <= _early(contact)
                ]
                waits = not any(
                    told.name == counting and told.received_ms <= _late(contact) for told in had
                )
                counts = any(_in_window(policy, at, contact, evidence) for at in confirmed) or (
                    waits and not released and other.at_ms > contact.at_ms - hold_ms
                )
            inside += counts
        if inside > limit:
            yield contact, f"contact {inside} of {limit} within {policy['window']}"


def _in_window(policy: PolicyData, at_ms: int, contact: Contact, evidence: Evidence) -> bool:
    """Say whether a moment lies in the window that a contact is in."""
    window = policy["window"]
    if not isinstance(window, Mapping):
        return at_ms // 1_000 > contact.at_ms // 1_000 - duration_seconds(window)
    zone = _zone(window, contact, evidence)
    return zone is not None and _named(window, at_ms, zone) == _named(window, contact.at_ms, zone)


def _zone(window: Mapping[str, Any], contact: Contact, evidence: Evidence) -> str | None:
    """Return the time zone of a calendar window."""
    name: str = window.get("zone", "customer")
    if name != "customer":
        return name
    return evidence.time_zone(contact.customer_id, at_ms=contact.at_ms)


def _named(window: Mapping[str, Any], at_ms: int, zone: str) -> tuple[int, ...]:
    """Return what a day, week or month is called that a moment lies in."""
    day = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(ZoneInfo(zone)).date()
    if window["calendar"] == "week":
        first = _WEEKDAYS.index(window.get("week_starts", "mon"))
        return ((day.toordinal() - 1 - first) // len(_WEEKDAYS),)
    if window["calendar"] == "month":
        shifted = day - timedelta(days=int(window.get("month_starts", 1)) - 1)
        return (shifted.year, shifted.month)
    return (day.toordinal(),)


def suppressions(policy: PolicyData, contacts: list[Contact], log: Log, _: Evidence) -> Found:
    """Yield contacts within a pause."""
    of = policy.get("of") or policy.get("applies_to") or {}
    times = int(policy.get("times", 1))
    within_ms = 1_000 * duration_seconds(policy.get("within", 0))
    pause_ms = 1_000 * duration_seconds(policy.get("pause", _YEAR_SECONDS))
    for contact in contacts:
        mine = [other for other in log.contacts[contact.customer_id] if selects(of, other)]
        events = log.events.get(contact.customer_id, [])
        moments = sorted(_begins(policy, contact, mine, log, events))
        ended = [
            told.at_ms
            for told in _of_kinds(policy.get("until_outcomes", ()), mine, log)
            if told.received_ms <= _late(contact)
        ]
        ended += [
            told.at_ms
            for told in events
            if told.name in policy.get("until_events", ()) and told.received_ms <= _late(contact)
        ]
        for at_ms in moments:
            count = sum(at_ms - within_ms <= other <= at_ms for other in moments)
            is_over = any(end >= at_ms for end in ended)
            if count >= times and at_ms > contact.at_ms - pause_ms and not is_over:
                began = datetime.fromtimestamp(at_ms / 1_000, UTC)
                yield contact, f"it pauses since {began:%Y-%m-%d %H:%M:%S}"
                break


def _begins(
    policy: PolicyData,
    contact: Contact,
    mine: Iterable[Contact],
    log: Log,
    events: Iterable[Happened],
) -> Iterator[int]:
    """Yield when something happened that was surely known, each outcome of a contact once."""
    for other in mine:
        had = log.outcomes.get((other.decision_id, other.choice), [])
        excused = any(
            told.name == policy.get("without") and told.received_ms <= _late(contact)
            for told in had
        )
        if excused:
            continue
        if "decision" in policy.get("outcomes", ()) and _is_before(other, contact):
            yield other.at_ms
        for kind in policy.get("outcomes", ()):
            at = [t.at_ms for t in had if t.name == kind and t.received_ms <= _early(contact)]
            if at:
                yield max(at)
    for told in events:
        if told.name in policy.get("events", ()) and told.received_ms <= _early(contact):
            yield told.at_ms


def _of_kinds(kinds: Iterable[str], contacts: Iterable[Contact], log: Log) -> Iterator[Happened]:
    for contact in contacts:
        for told in log.outcomes.get((contact.decision_id, contact.choice), []):
            if told.name in kinds:
                yield told


def sequences(policy: PolicyData, contacts: list[Contact], log: Log, _: Evidence) -> Found:
    """Yield contacts before which the other never came."""
    kind = policy.get("outcome", "decision")
    least_ms = 1_000 * duration_seconds(policy.get("at_least", 0))
    most_ms = 1_000 * duration_seconds(policy["within"])
    for contact in contacts:
        came: list[int] = []
        for other in log.contacts[contact.customer_id]:
            if other.decision_id == contact.decision_id or not selects(policy["after"], other):
                continue
            if kind == "decision":
                came.append(other.at_ms)
                continue
            came += [
                told.at_ms
                for told in log.outcomes.get((other.decision_id, other.choice), [])
                if told.name == kind and told.received_ms <= _late(contact)
            ]
        if not any(least_ms <= contact.at_ms - at_ms <= most_ms for at_ms in came):
            yield contact, f"no {kind} of what must come before it within {policy['within']}"


def exclusions(policy: PolicyData, contacts: list[Contact], _log: Log, _: Evidence) -> Found:
    """Yield contacts said with another they are never said with."""
    selector = policy.get("applies_to") or {}
    by_content = bool(selector.get("contents") or selector.get("groups"))
    window_s = duration_seconds(policy["window"]) if policy.get("window") else 0
    for contact, before in _with_earlier(contacts):
        for other in before:
            is_same = (
                other.content == contact.content
                if by_content
                else other.action.id == contact.action.id
            )
            in_window = other.at_ms // 1_000 > contact.at_ms // 1_000 - window_s
            in_answer = other.decision_id == contact.decision_id
            if not is_same and (in_answer or (window_s and in_window)):
                yield contact, f"{other.action.id} was said in decision {other.decision_id}"
                break


def diversities(policy: PolicyData, contacts: list[Contact], _log: Log, _: Evidence) -> Found:
    """Yield contacts beyond the limit of their branch in an answer."""
    limit, depth = int(policy.get("limit", 1)), int(policy.get("depth", 1))
    for contact, before in _with_earlier(contacts):
        answer = [other for other in before if other.decision_id == contact.decision_id]
        for branch in _branches(contact, policy["dimension"], depth):
            there = 1 + sum(branch in _branches(o, policy["dimension"], depth) for o in answer)
            if there > limit:
                yield contact, f"choice {there} of {limit} of {policy['dimension']}:{branch}"
                break


def _branches(contact: Contact, dimension: str, depth: int) -> set[str]:
    paths = [term.split(":", 1) for term in contact.action.terms]
    return {"/".join(path.split("/")[:depth]) for name, path in paths if name == dimension}


def _with_earlier(contacts: Iterable[Contact]) -> Iterator[tuple[Contact, list[Contact]]]:
    """Yield each contact with those of its customer before it."""
    before: dict[str, list[Contact]] = defaultdict(list)
    for contact in contacts:
        yield contact, before[contact.customer_id]
        before[contact.customer_id].append(contact)


def _is_before(other: Contact, contact: Contact) -> bool:
    return (other.at_ms, other.row) < (contact.at_ms, contact.row)


def _early(contact: Contact) -> int:
    """Return until when what was received was surely known."""
    return contact.at_ms - SETTLING_MS


def _late(contact: Contact) -> int:
    """Return until when what was received may have been known."""
    return contact.at_ms + SETTLING_MS
