"""What the ledger keeps, and how it is packed.

A decision's record holds everything the decision looked at (request, feature row, consents, time
zone, contact history, shared state of policies, seed, plan version) and the answer's bytes, so that
it can be replayed and explained from the record and its plan alone.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from nba.domain.customer import EventEntry, UpdateEntry
from nba.domain.decision import DecisionRequest
from nba.domain.outcome import ResolutionKind
from nba.errors import CorruptRecordError

FORMAT = 2


class Draw(msgspec.Struct, array_like=True, frozen=True):
    """The draw behind one choice: who was left after the guardrails, and with what chance.

    ``kept`` are rows of the plan's candidates for the placement, ``<u2``; ``probabilities`` the
    action probabilities they were drawn with, ``<f4``, in the same order. ``variants`` are rows of
    the placement's contents that the content was drawn from, ``<u4``, and ``variant_probabilities``
    their chances, ``<f4``; both are empty where there was nothing to choose.
    """

    placement: str
    rank: int
    kept: bytes
    probabilities: bytes
    variants: bytes = b""
    variant_probabilities: bytes = b""


class DecisionRecord(msgspec.Struct, array_like=True, frozen=True):
    """One decision as recorded; times in milliseconds since the epoch."""

    format: int
    decision_id: str
    customer_id: str
    at_ms: int
    seed: int
    plan_version: str
    request: bytes
    features: bytes
    consents: dict[int, bool]
    time_zone: str | None
    locale: str | None
    history: bytes
    shared: dict[int, tuple[int, ...]]
    draws: tuple[Draw, ...]
    answer: bytes


class OutcomeEntry(msgspec.Struct, array_like=True, frozen=True):
    """One reported outcome as it travels in the ledger."""

    outcome_id: str
    decision_id: str
    choice: int
    kind: str
    at_ms: int
    received_at_ms: int
    value: float | None


class ResolutionEntry(msgspec.Struct, array_like=True, frozen=True):
    """One resolution or correction as it travels in the ledger.

    ``goals`` are the kinds of outcome met that the action prices beside the desired one, ``missed``
    those that a resolution waited for in vain; of a kind in neither nothing is known. ``amount`` is
    what the desired outcome was reported to bring, ``None`` where nobody said. ``outcome_id`` is
    the outcome that it is by, the first desired one where there is any; ``further`` are other
    desired ones whose rewards are in it.
    """

    decision_id: str
    choice: int
    action: str
    kind: str
    label: float
    reward: float
    at_ms: int
    outcome_id: str | None
    goals: tuple[str, ...] = ()
    amount: float | None = None
    further: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The name under which it is written once: a resolution of its choice.

        A correction has that of its outcome, or of its goal, which counts once whatever reports it.
        """
        if self.kind != ResolutionKind.CORRECTION:
            return f"r:{self.choice}"
        if self.goals:
            return f"g:{self.choice}:{self.goals[0]}"
        return f"c:{self.choice}:{self.outcome_id}"


T = TypeVar("T")


def concerns(kind: str, body: bytes, customer_id: str, decision_ids: Collection[str]) -> bool:
    """Say whether a ledger entry is about a customer or one of their decisions."""
    if kind == "d":
        return body.decode() in decision_ids
    if kind == "o":
        return unpack(body, OutcomeEntry).decision_id in decision_ids
    if kind == "r":
        return unpack(body, ResolutionEntry).decision_id in decision_ids
    if kind == "e":
        return unpack(body, EventEntry).customer_id == customer_id
    return kind == "u" and unpack(body, UpdateEntry).customer_id == customer_id


def request_of(record: bytes) -> tuple[str, str] | None:
    """Return the customer and the ``request_id`` a recorded decision answered.

    ``None`` where it had none, or the record cannot be read.
    """
    try:
        decided = unpack(record, DecisionRecord)
        request_id = unpack(decided.request, DecisionRequest).request_id
    except CorruptRecordError:
        return None
    return None if request_id is None else (decided.customer_id, request_id)


pack = msgspec.msgpack.Encoder().encode
"""Pack any entry."""


def unpack(packed: bytes, kind: type[T]) -> T:
    """Unpack an entry of a kind; :class:`CorruptRecordError` where it is not one."""
    try:
        return msgspec.msgpack.decode(packed, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CorruptRecordError(f"cannot read a {kind.__name__}: {error}") from error


def digest(*parts: Any) -> bytes:
    """Return 16 bytes that identify the content of an entry."""
    return blake2b(pack(parts), digest_size=16).digest()
