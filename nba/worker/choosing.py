"""Watching how choices spread: whether a placement still explores, has converged, or is broken.

That nearly everybody gets the same is not a fault by itself: it may be the best there is. It is one
where what comes of it is far below what was expected, or where no model stands behind it.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
import numpy as np

from nba.decision.answer import said_choices
from nba.decision.recording import is_shadow
from nba.ledger.records import DecisionRecord, OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import EntryType, LedgerEntry
from nba.worker.records import UNREADABLE, Held

WINDOW = 500
"""Latest draws of a placement that are looked at, and the latest that resolved."""

LEAST_DRAWS = 100
"""Draws before anything is said."""

CONCENTRATED = 0.95
"""Share of one action above which a placement has converged, or is broken."""

SURPRISED = -4.0
"""Standard errors below what was expected that are no chance any more."""

RULED = "highest_priority"
"""Reason of a choice that rules made: certain by design."""

_logger = logging.getLogger(__name__)


class Spread(StrEnum):
    """How choices spread."""

    EXPLORING = "exploring"
    CONVERGED = "converged"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementSpread:
    """How the latest choices of one placement spread.

    ``entropy`` is the mean entropy of the action probabilities, as a share of that of equal ones;
    ``share`` how often the most frequent ``action`` was chosen; ``surprise`` by how many standard
    errors what came of choices differs from what their propensities said, NaN where too few
    resolved; ``degraded`` the share of decisions that a model or the bandit could not stand behind.
    """

    placement: str
    draws: int
    action: str
    share: float
    entropy: float
    surprise: float
    degraded: float
    spread: Spread


@dataclass(slots=True)
class _Seen:
    """Draws of one placement, and what came of them."""

    draws: deque[tuple[str, float, bool]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    resolved: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))


class ChoiceWatcher:
    """Keeps the latest draws between two or more candidates, by placement; forgets at a restart."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._told: dict[str, Spread] = {}

    async def take(
        self, entries: Sequence[LedgerEntry], _: Sequence[OutcomeEntry], held: Held
    ) -> None:
        """Take note of decisions and resolutions."""
        for entry in entries:
            try:
                if entry.type is EntryType.DECISION:
                    record = held.get(entry.body.decode())
                    if record is not None:
                        self._draw(record)
                elif entry.type is EntryType.RESOLUTION:
                    self._resolve(unpack(entry.body, ResolutionEntry), held)
            except UNREADABLE:
                continue  # said where it is read for the log

    def _draw(self, record: DecisionRecord) -> None:
        if is_shadow(record):
            return  # another system chose
        answer = msgspec.json.decode(record.answer)
        degraded = bool(answer["degraded"])
        for choice, draw in zip(answer["choices"], record.draws, strict=True):
            n_kept = len(draw.kept) // 2
            if n_kept == 1 or RULED in choice["reasons"]:
                continue
            chances = np.frombuffer(draw.probabilities, dtype="<f4").astype(np.float64)
            chances = chances[chances > 0.0]
            entropy = float(-(chances * np.log(chances)).sum()) / math.log(n_kept)
            seen = self._seen.setdefault(choice["placement"], _Seen())
            seen.draws.append((choice["action"], entropy, degraded))

    def _resolve(self, resolution: ResolutionEntry, held: Held) -> None:
        record = held.get(resolution.decision_id)
        if record is None or resolution.kind not in ("rewarded", "expired") or is_shadow(record):
            return
        choice = said_choices(record.answer)[resolution.choice]
        seen = self._seen.get(choice["placement"])
        if seen is not None:
            seen.resolved.append((float(choice["propensity"]), resolution.label))

    def spreads(self) -> list[PlacementSpread]:
        """Return how choices spread in every placement with enough of them; log what is new."""
        found = [
            _judged(placement, seen)
            for placement, seen in sorted(self._seen.items())
            if len(seen.draws) >= LEAST_DRAWS
        ]
        for spread in found:
            if spread.spread is not self._told.get(spread.placement, Spread.EXPLORING):
                level = logging.WARNING if spread.spread is Spread.BROKEN else logging.INFO
                _logger.log(
                    level,
                    "placement %s is %s: %s in %.1f %% of %d choices, entropy %.3f, outcomes %.1f "
                    "standard errors from what was expected, %.0f %% degraded",
                    spread.placement,
                    spread.spread,
                    spread.action,
                    100 * spread.share,
                    spread.draws,
                    spread.entropy,
                    spread.surprise,
                    100 * spread.degraded,
                )
            self._told[spread.placement] = spread.spread
        return found


def _judged(placement: str, seen: _Seen) -> PlacementSpread:
    action, count = Counter(name for name, _, _ in seen.draws).most_common(1)[0]
    share = count / len(seen.draws)
    degraded = sum(flag for _, _, flag in seen.draws) / len(seen.draws)
    surprise = _surprise(seen.resolved)
    spread = Spread.EXPLORING
    if share >= CONCENTRATED:
        broken = degraded > 0.5 or surprise < SURPRISED  # noqa: PLR2004 - most of them
        spread = Spread.BROKEN if broken else Spread.CONVERGED
    return PlacementSpread(
        placement=placement,
        draws=len(seen.draws),
        action=action,
        share=share,
        entropy=sum(entropy for _, entropy, _ in seen.draws) / len(seen.draws),
        surprise=surprise,
        degraded=degraded,
        spread=spread,
    )


def _surprise(resolved: Sequence[tuple[float, float]]) -> float:
    """Return how far labels are from propensities, in the standard errors these imply."""
    if len(resolved) < LEAST_DRAWS:
        return math.nan
    expected = np.array([propensity for propensity, _ in resolved])
    labels = np.array([label for _, label in resolved])
    error = math.sqrt(float((expected * (1.0 - expected)).sum()))
    return float((labels - expected).sum()) / error if error > 0.0 else math.nan
