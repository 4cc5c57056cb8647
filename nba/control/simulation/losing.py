"""Who loses every option by a change, and what takes it from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nba.control.simulation.replaying import Filled, Replayed
from nba.control.simulation.report import Losses, LossReason
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.situations import situation_of
from nba.domain.ids import uniform_hash
from nba.policies.kind import Reason

SAMPLED = 20
"""How many customers are named."""

_SALT = "simulation-losses"

PLACEMENT_GONE = ("", "placement.gone", "the plan no longer has the placement")
ACTION_GONE = ("", "action.gone", "the placement no longer shows the action")
CONTENT_CLOSED = ("", "content.closed", "none of the action's contents may be shown")

_Why = tuple[str, str, str]


class LossTally:
    """Collects the decisions that could say something before, and nothing after."""

    def __init__(self, after: Plan) -> None:
        self._after = after
        self._decisions = 0
        self._segments: Counter[str] = Counter()
        self._reasons: Counter[_Why] = Counter()
        self._had: set[str] = set()
        self._has: set[str] = set()
        self._customers: set[str] = set()

    def add(self, before: Replayed, after: Replayed, segments: Sequence[str]) -> None:
        """Take in a decision under both plans."""
        customer = before.inputs.request.customer_id
        self._customers.add(customer)
        if before.has_options:
            self._had.add(customer)
        if after.has_options:
            self._has.add(customer)
        elif before.has_options:
            self._decisions += 1
            self._segments.update(segments)
            self._reasons.update(set(self._why(before, after)))

    def losses(self, decisions: int) -> Losses:
        """Return what was found among a number of decisions."""
        lost = self._had - self._has
        everybody = len(self._customers)
        named = sorted(lost, key=lambda customer: (uniform_hash(_SALT, customer), customer))
        return Losses(
            decisions=self._decisions,
            share_of_decisions=self._decisions / decisions if decisions else 0.0,
            customers=len(lost),
            share_of_customers=len(lost) / everybody if everybody else 0.0,
            by_segment=dict(sorted(self._segments.items())),
            reasons=tuple(
                LossReason(*why, count)
                for why, count in sorted(self._reasons.items(), key=lambda one: (-one[1], one[0]))
            ),
            sample=tuple(named[:SAMPLED]),
        )

    def _why(self, before: Replayed, after: Replayed) -> Iterator[_Why]:
        situation = situation_of(after.inputs, after.inputs.history)
        for filled in before.filled:
            slot = self._after.placements.get(filled.slot.placement.id)
            if slot is None:
                yield PLACEMENT_GONE
                continue
            drops = slot.guards.explain(situation)
            contents = slot.contents.guards
            content_drops = None if contents is None else contents.explain(situation)
            for action in _open(filled):
                if action not in slot.action_ids:
                    yield ACTION_GONE
                    continue
                row = slot.action_ids.index(action)
                if drops[row]:
                    yield _told(slot.guards.reason(drops[row][0]))
                    continue
                found = None
                if contents is not None and content_drops is not None:
                    closed = [content_drops[one] for one in _variants(slot, row, after)]
                    found = next((one[0] for one in closed if one), None)
                if contents is None or found is None:
                    yield CONTENT_CLOSED
                else:
                    yield _told(contents.reason(found))


def _open(filled: Filled) -> Iterator[str]:
    for row in filled.kept.tolist():
        if row:
            yield filled.slot.action_ids[row]


def _variants(slot: PlacementPlan, row: int, after: Replayed) -> list[int]:
    locale = after.inputs.request.locale or after.inputs.locale
    variants: list[int] = slot.contents.variants(row, locale).tolist()
    return variants


def _told(reason: Reason) -> _Why:
    return str(reason.policy), reason.code, reason.sentence
