"""Guardrails recounted from the ledger, on their own: plain loops over the log's rows.

Nothing here is shared with the evaluators that decided. Policies are plain data, read again from
their files; conditions are walked by a public CEL interpreter; consents and time zones come from
what customers said, not from the packed profile. A guardrail that gave way shows as a
:class:`~nba.measurement.evidence.Violation`.

What is recounted: eligibility, applicability and suitability conditions
(:mod:`nba.measurement.recounted_conditions`); audiences
(:mod:`nba.measurement.recounted_audiences`); consent; quiet hours; holdout; on the history of what
was said (:mod:`nba.measurement.recounted_history`) suppressions, sequences, exclusions, contact
caps and diversity; what all share, budgets and blocks for fairness
(:mod:`nba.measurement.recounted_shared`); and turns of contents
(:mod:`nba.measurement.recounted_turns`).

What the log cannot say is held against nobody: the pace of a budget, turns where other policies are
about contents or contents have dates, who was on an uploaded list where ``evidence`` does not tell,
and what became known within moments of a decision. Levers and exploration drop nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl
import yaml

from nba.domain.catalog import Action, Catalog, MessageClass
from nba.domain.customer import Consent
from nba.ledger.log import SHADOW
from nba.measurement.evidence import Evidence, Violation
from nba.measurement.recounted_audiences import Answer, audiences
from nba.measurement.recounted_conditions import Context, Found, Segment, conditions
from nba.measurement.recounted_history import (
    contact_caps,
    diversities,
    exclusions,
    sequences,
    suppressions,
)
from nba.measurement.recounted_shared import budgets, fairness
from nba.measurement.recounted_turns import rotations
from nba.measurement.said import Contact, Log, contacts_of, log_of, selects

if TYPE_CHECKING:
    from holidays import HolidayBase

PolicyData = Mapping[str, Any]

_NEVER: Mapping[str, frozenset[str]] = {
    "suitability": frozenset({"mandatory"}),
    "suppression": frozenset({"mandatory"}),
    "sequence": frozenset({"mandatory"}),
    "exclusion": frozenset({"mandatory"}),
    "diversity": frozenset({"transactional", "mandatory"}),
    "contact_cap": frozenset({"mandatory"}),
    "quiet_hours": frozenset({"mandatory"}),
    "consent": frozenset({"mandatory"}),
    "holdout": frozenset({"transactional", "mandatory"}),
    "audience": frozenset({"mandatory"}),
    "budget": frozenset({"mandatory"}),
    "fairness": frozenset({"mandatory"}),
}
_ONLY_WHERE_NAMED: Mapping[str, frozenset[str]] = {
    "suitability": frozenset({"transactional"}),
    "suppression": frozenset({"transactional"}),
    "exclusion": frozenset({"transactional"}),
    "contact_cap": frozenset({"transactional"}),
    "budget": frozenset({"transactional"}),
    "fairness": frozenset({"transactional"}),
}
"""Message classes that a kind never holds back, or only where the policy names them."""

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def read_policies(directory: Path) -> list[PolicyData]:
    """Read every ``policies:`` list under a folder as plain data."""
    return list(_listed(directory, "policies"))


def read_feature_types(directory: Path) -> dict[str, str]:
    """Read the type of every feature under a folder (``{"age": "number"}``) as plain data."""
    return {item["name"]: item["type"] for item in _listed(directory, "features") if "type" in item}


def read_segments(directory: Path) -> dict[str, str]:
    """Read the condition of every segment under a folder of features as plain data."""
    return {item["name"]: item["condition"] for item in _listed(directory, "segments")}


def _listed(directory: Path, key: str) -> Iterator[Mapping[str, Any]]:
    for path in sorted(directory.rglob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield from (data or {}).get(key) or ()


def count_violations(
    decisions: pl.DataFrame,
    *,
    policies: Sequence[PolicyData],
    catalog: Catalog,
    evidence: Evidence,
    feature_types: Mapping[str, str],
    segments: Mapping[str, str] | None = None,
    outcomes: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
) -> list[Violation]:
    """Return every choice in the log that a guardrail should have stopped.

    What another system took in shadow counts as said, and is not against our guardrails.
    ``decisions``, ``outcomes`` and ``events`` are frames of the log's tables; without the latter
    two, nothing came of what was said. ``feature_types`` tells booleans from numbers, which the log
    keeps alike; ``segments`` gives their conditions by name.

    Raises :class:`EvaluationRefusedError` where the log names an action or placement that the
    catalog given does not have.
    """
    contacts = contacts_of(decisions, catalog)
    context = Context(
        decisions,
        evidence,
        feature_types,
        log_of(contacts, outcomes, events),
        catalog,
        policies,
        {str(content.id): content for content in catalog.contents},
        {name: Segment(condition, decisions) for name, condition in (segments or {}).items()},
    )
    taken = _taken_elsewhere(decisions)
    found: list[Violation] = []
    for policy in policies:
        recount = _RECOUNTS.get(policy["kind"])
        if recount is None:
            continue
        selected = [
            contact
            for contact in contacts
            if selects(policy.get("applies_to") or {}, contact)
            and not (policy["kind"] in _OWN_ALONE and contact.decision_id in taken)
        ]
        for contact, text in recount(policy, selected, context):
            # What was said before a policy began counts too, but is not against it.
            if contact.decision_id in taken or not _holds(policy, contact.at_ms):
                continue
            if not _concerns(policy, contact.action):
                continue
            found.append(
                Violation(
                    policy=policy["id"],
                    kind=policy["kind"],
                    decision_id=contact.decision_id,
                    choice=contact.choice,
                    customer_id=contact.customer_id,
                    action=contact.action.id,
                    at_ms=contact.at_ms,
                    found=text,
                )
            )
    return found


def _taken_elsewhere(decisions: pl.DataFrame) -> frozenset[str]:
    if "source" not in decisions.columns:
        return frozenset()
    return frozenset(decisions.filter(pl.col("source") == SHADOW)["decision_id"])


def _holds(policy: PolicyData, at_ms: int) -> bool:
    """Say whether a policy had started and not ended; a date alone is midnight UTC."""
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC)
    bounds = []
    for key in ("starts", "ends"):
        written = policy.get(key)
        bound = datetime.fromisoformat(str(written)) if written else None
        bounds.append(bound.replace(tzinfo=bound.tzinfo or UTC) if bound else None)
    starts, ends = bounds
    return (starts is None or moment >= starts) and (ends is None or moment < ends)


def _concerns(policy: PolicyData, action: Action) -> bool:
    """Say whether a policy may hold an action of this message class back at all."""
    kind, message_class = policy["kind"], action.message_class.value
    if message_class in _NEVER.get(kind, ()):
        return False
    if message_class not in _ONLY_WHERE_NAMED.get(kind, ()):
        return True
    selector = policy.get("applies_to") or {}
    named = action.id in selector.get("actions", ())
    return named or message_class in selector.get("message_classes", ())


def _consent(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    open_when_missing = policy.get("missing", "closed") == "open"
    purposes = policy.get("purposes")
    for contact in contacts:
        channel, purpose = contact.placement.channel, contact.action.purpose
        if purposes and purpose not in purposes:
            continue
        consent = context.evidence.consent(
            contact.customer_id, channel, purpose, at_ms=contact.at_ms
        )
        sells = contact.action.message_class is MessageClass.PROMOTIONAL
        is_enough = open_when_missing and not sells and consent is Consent.UNKNOWN
        if consent is Consent.GRANTED or is_enough:
            continue
        yield contact, f"consent for {channel}/{purpose} was {consent}"


def _quiet_hours(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    open_when_missing = policy.get("missing", "closed") == "open"
    periods = [policy] if "start" in policy else []
    periods += policy.get("periods") or []
    own_days = {str(day) for day in policy.get("holidays") or ()}
    calendars: list[HolidayBase] = [_calendar(name) for name in policy.get("calendars") or ()]
    for contact in contacts:
        zone = policy.get("zone") or context.evidence.time_zone(
            contact.customer_id, at_ms=contact.at_ms
        )
        if zone is None:
            if not open_when_missing:
                yield contact, "the customer's time zone was not known"
            continue
        moment = datetime.fromtimestamp(contact.at_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
        day = moment.date()
        if any(_lies_in(period, moment) for period in periods):
            yield contact, f"it was {moment:%H:%M} in {zone}"
        elif day.isoformat() in own_days or any(day in calendar for calendar in calendars):
            yield contact, f"{day} was a holiday in {zone}"


def _lies_in(period: Mapping[str, Any], moment: datetime) -> bool:
    start, end = _minutes(period["start"]), _minutes(period["end"])
    minute = moment.hour * 60 + moment.minute
    before_midnight = start <= minute < (end if start < end else 1_440)
    after_midnight = start > end > minute
    began = moment.weekday() - (1 if after_midnight else 0)
    on_day = not period.get("days") or _WEEKDAYS[began % 7] in period["days"]
    return (before_midnight or after_midnight) and on_day


def _calendar(name: str) -> HolidayBase:
    # A third of a second to load: only where a policy names a calendar.
    import holidays

    country, _, part = name.partition("-")
    return holidays.country_holidays(country, subdiv=part or None)


def _minutes(text: str | int) -> int:
    if isinstance(text, int):  # what YAML 1.1 makes of a bare 21:00
        return text
    hours, minutes = text.split(":")[:2]
    return int(hours) * 60 + int(minutes)


def _holdout(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    share, salt = float(policy["share"]), str(policy["salt"])
    exempt = policy.get("exempt") or {}
    exempted, membership = exempt.get("audiences") or (), context.membership
    for contact in contacts:
        if contact.customer_id in (exempt.get("customers") or ()):
            continue
        digest = blake2b(f"{salt}\x00{contact.customer_id}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "little") / 2**64
        if place < share and membership.among(exempted, contact) not in _EXEMPT:
            yield contact, f"the customer is held out (place {place:.4f} of {share})"


_EXEMPT = (Answer.IN, Answer.UNTOLD)


def _audience(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    return audiences(policy, contacts, context.membership)


def _budget(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    held = [c for c in contacts if _holds(policy, c.at_ms) and _concerns(policy, c.action)]
    return budgets(policy, held, context.log)


def _fairness(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    actions = [action for action in context.catalog.actions if _concerns(policy, action)]
    places = context.catalog.placements
    return fairness(policy, contacts, context.decisions, actions, places)


def _rotation(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    return rotations(policy, contacts, context.log, context.catalog, context.policies)


def _on_history(
    recount: Callable[[PolicyData, list[Contact], Log, Evidence], Found],
) -> Callable[[PolicyData, list[Contact], Context], Found]:
    return lambda policy, contacts, context: recount(
        policy, contacts, context.log, context.evidence
    )


_OWN_ALONE = frozenset({"budget", "fairness"})
"""Kinds that what another system took in shadow does not count for."""

_RECOUNTS: Mapping[str, Callable[[PolicyData, list[Contact], Context], Found]] = {
    "eligibility": conditions,
    "applicability": conditions,
    "suitability": conditions,
    "consent": _consent,
    "quiet_hours": _quiet_hours,
    "holdout": _holdout,
    "suppression": _on_history(suppressions),
    "sequence": _on_history(sequences),
    "exclusion": _on_history(exclusions),
    "contact_cap": _on_history(contact_caps),
    "diversity": _on_history(diversities),
    "audience": _audience,
    "budget": _budget,
    "fairness": _fairness,
    "rotation": _rotation,
}
