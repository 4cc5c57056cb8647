"""What was said and what came of it, as the log tells it: plain rows for recounting guardrails."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nba.domain.catalog import Action, Catalog, Content, Placement
from nba.errors import EvaluationRefusedError

SETTLING_MS = 5_000
"""How long after something was received a decision may still not have known of it."""

_DURATION = re.compile(r"(\d+)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Contact:
    """One choice given; ``row`` is its row in the log."""

    row: int
    decision_id: str
    choice: int
    customer_id: str
    at_ms: int
    action: Action
    placement: Placement
    content: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Happened:
    """An outcome of a choice, or an event; when it was, and when it was known here."""

    name: str
    at_ms: int
    received_ms: int


@dataclass(frozen=True, slots=True)
class Log:
    """Everything said, by customer and oldest first, and everything that happened.

    ``outcomes`` are by decision and choice, ``events`` by customer; an event told twice is one.
    """

    contacts: Mapping[str, list[Contact]]
    outcomes: Mapping[tuple[str, int], list[Happened]]
    events: Mapping[str, list[Happened]]


def contacts_of(decisions: pl.DataFrame, catalog: Catalog) -> list[Contact]:
    """Return every choice but ``no_action``, oldest first.

    Raises :class:`EvaluationRefusedError` where the catalog does not have what was chosen.
    """
    actions = {str(action.id): action for action in catalog.actions}
    placements = {str(placement.id): placement for placement in catalog.placements}
    groups = {str(content.id): content.group for content in catalog.contents}
    columns = ("decision_id", "choice", "customer_id", "placement", "action")
    content = "content" if "content" in decisions.columns else pl.lit(None, dtype=pl.String)
    frame = decisions.select(*columns, at_ms=pl.col("at").dt.timestamp("ms"), shown=content)
    contacts = []
    for row, (decision_id, choice, customer_id, placement, action, at_ms, shown) in enumerate(
        frame.iter_rows()
    ):
        if action == "no_action":
            continue
        if action not in actions or placement not in placements:
            raise EvaluationRefusedError(
                f"decision {decision_id} chose {action} in {placement}, which the catalog given "
                "does not have; recount with the catalog that decided"
            )
        contacts.append(
            Contact(
                row,
                decision_id,
                choice,
                customer_id,
                at_ms,
                actions[action],
                placements[placement],
                shown,
                groups.get(shown),
            )
        )
    contacts.sort(key=lambda contact: (contact.at_ms, contact.row))
    return contacts


def log_of(
    contacts: Iterable[Contact], outcomes: pl.DataFrame | None, events: pl.DataFrame | None
) -> Log:
    """Gather contacts with frames of the log's ``outcomes`` and ``events``; ``None`` is none."""
    by_customer: dict[str, list[Contact]] = defaultdict(list)
    for contact in contacts:
        by_customer[contact.customer_id].append(contact)
    by_choice: dict[tuple[str, int], list[Happened]] = defaultdict(list)
    if outcomes is not None:
        for decision_id, choice, *told in _told(outcomes, "decision_id", "choice", "kind"):
            by_choice[decision_id, choice].append(Happened(*told))
    happened: dict[str, dict[tuple[str, str], Happened]] = defaultdict(dict)
    if events is not None:
        for customer_id, message_id, *told in _told(events, "customer_id", "message_id", "name"):
            event = Happened(*told)
            happened[customer_id].setdefault((event.name, message_id), event)
    by_event = {customer: list(found.values()) for customer, found in happened.items()}
    return Log(by_customer, by_choice, by_event)


def _told(frame: pl.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    moments = [pl.col(name).dt.timestamp("ms") for name in ("at", "received_at")]
    yield from frame.select(*columns, *moments).iter_rows()


def selects(selector: Mapping[str, Iterable[str]], contact: Contact) -> bool:
    """Say whether a selector, as plain data, selects what was said."""
    return _selects(
        selector,
        {
            **_of_action(contact.action, contact.placement),
            "contents": {str(contact.content)},
            "groups": {str(contact.group)},
        },
    )


def selects_action(
    selector: Mapping[str, Iterable[str]], action: Action, placement: Placement
) -> bool:
    """Say whether a selector, as plain data, selects an action in a placement."""
    found = _of_action(action, placement)
    return _selects({key: wanted for key, wanted in selector.items() if _key(key) in found}, found)


def selects_content(selector: Mapping[str, Iterable[str]] | None, content: Content) -> bool:
    """Say whether a selector, as plain data, names a content or names none."""
    found = {"contents": {str(content.id)}, "groups": {content.group}}
    named = {key: wanted for key, wanted in (selector or {}).items() if _key(key) in found}
    return _selects(named, found)


def _of_action(action: Action, placement: Placement) -> dict[str, set[str]]:
    return {
        "actions": {action.id},
        "terms": {prefix for term in action.terms for prefix in prefixes(term)},
        "channels": {placement.channel},
        "placements": {placement.id},
        "directions": {placement.direction.value},
        "message_classes": {action.message_class.value},
    }


def _key(key: str) -> str:
    return key.removeprefix("except_")


def _selects(selector: Mapping[str, Iterable[str]], found: Mapping[str, set[str]]) -> bool:
    for key, wanted in selector.items():
        if key.startswith("except_"):
            if found[_key(key)] & set(wanted):
                return False
        elif wanted and not found[key] & set(wanted):
            return False
    return True


def prefixes(term: str) -> Iterator[str]:
    """Yield a term and all above it."""
    parts = term.split("/")
    for depth in range(1, len(parts) + 1):
        yield "/".join(parts[:depth])


def duration_seconds(text: str | float) -> float:
    """Return seconds of a duration written ``7d``, ``12h``, ``P7D`` or ``PT12H``.

    >>> duration_seconds("7d"), duration_seconds("PT12H")
    (604800, 43200)
    """
    if isinstance(text, int | float):
        return text
    bare = text.lower().removeprefix("p").replace("t", "")
    parts = _DURATION.findall(bare)
    if not parts or _DURATION.sub("", bare).strip():
        raise EvaluationRefusedError(f"{text!r} is not a duration; write it as 7d or P7D")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)
