"""The audit trail: append-only, each row's hash covering the row before, so that a change shows.

A hash is SHA-256 over the canonical bytes of everything in the row and the hash of the row before;
the first row follows :data:`FIRST_HASH`. Whoever changes, removes or inserts a row must rewrite all
that follow it, and then the last hash is no longer the one that was written down elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Protocol

FIRST_HASH = "0" * 64
"""What the first row names as the hash before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, why, and what changed by it; ``diff`` is plain data."""

    at_ms: int
    actor: str
    verb: str
    subject: str
    detail: str = ""
    diff: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow(AuditEntry):
    """An entry in its place in the chain; ``sequence`` counts up from 1 without gaps."""

    sequence: int
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditBreak:
    """The first row that is not what was written, or not where it was written."""

    sequence: int
    found: str
    expected: str


class AuditStore(Protocol):
    """The part of the control store that keeps the audit trail."""

    def audit(self, entry: AuditEntry) -> AuditRow:
        """Append to the audit trail; nothing in it is ever changed or removed."""

    def audit_log(self, limit: int, *, before: int | None = None) -> list[AuditRow]:
        """Return the latest rows, newest first; those before a sequence where one is given."""

    def verify_audit(self) -> AuditBreak | None:
        """Recompute the chain from its beginning; return the first row that breaks it."""


def hash_of(entry: AuditEntry, sequence: int, previous_hash: str) -> str:
    """Return the hash of an entry in its place, in hexadecimal digits.

    The bytes are those of a JSON list without spaces, keys of mappings in order.
    """
    content = [
        sequence,
        entry.at_ms,
        entry.actor,
        entry.verb,
        entry.subject,
        entry.detail,
        entry.diff,
        previous_hash,
    ]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(canonical.encode("ascii")).hexdigest()


def chained(entry: AuditEntry, last: AuditRow | None) -> AuditRow:
    """Return an entry as the row that follows the last one."""
    sequence = 1 if last is None else last.sequence + 1
    previous_hash = FIRST_HASH if last is None else last.hash
    diff = json.loads(json.dumps(entry.diff))
    plain = replace(entry, diff=diff)
    return AuditRow(
        at_ms=entry.at_ms,
        actor=entry.actor,
        verb=entry.verb,
        subject=entry.subject,
        detail=entry.detail,
        diff=diff,
        sequence=sequence,
        previous_hash=previous_hash,
        hash=hash_of(plain, sequence, previous_hash),
    )


def verify(rows: Iterable[AuditRow], after: AuditRow | None = None) -> AuditBreak | None:
    """Return the first of consecutive rows that does not follow from the one before it.

    Examples
    --------
    >>> first = chained(AuditEntry(at_ms=1, actor="ada", verb="publish", subject="p1"), None)
    >>> second = chained(AuditEntry(at_ms=2, actor="bob", verb="rollback", subject="p0"), first)
    >>> verify([first, second]) is None
    True
    >>> verify([first, replace(second, actor="ada")]).sequence
    2

    """
    last = after
    for row in rows:
        sequence = 1 if last is None else last.sequence + 1
        if row.sequence != sequence:
            return AuditBreak(
                sequence=sequence,
                found=f"row {row.sequence} follows where row {sequence} was",
                expected="every row, in the order in which it was written",
            )
        previous_hash = FIRST_HASH if last is None else last.hash
        if row.previous_hash != previous_hash:
            return AuditBreak(
                sequence=sequence,
                found=f"it follows hash {row.previous_hash}",
                expected=f"the hash of the row before it, {previous_hash}",
            )
        expected = hash_of(row, sequence, previous_hash)
        if row.hash != expected:
            return AuditBreak(
                sequence=sequence, found=f"hash {row.hash}", expected=f"{expected} by what it says"
            )
        last = row
    return None
