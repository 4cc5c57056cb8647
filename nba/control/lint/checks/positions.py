"""Position effects that change, of which what was learned knows nothing."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject
from nba.domain.catalog import Autonomy

CHANGED = Code(
    "placement.effects_changed",
    Severity.WARNING,
    "What was learned at a rank was learned with other position effects, and stays as it is.",
    "run `nba bandit rebuild` once it is live, if the new effects are a better estimate; leave "
    "what was learned, if ranks are looked at differently from now on",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find placements whose ranks have other effects than in the live plan."""
    live = () if subject.before is None else subject.before.catalog.placements
    former = {one.id: one for one in live if one.autonomy is not Autonomy.RULES}
    for placement in subject.placements:
        before = former.get(placement.id)
        if before is None:
            continue
        changed = [
            f"{rank} ({before.effect_at(rank):g} ▸ {placement.effect_at(rank):g})"
            for rank in range(2, before.max_count + 1)
            if before.effect_at(rank) != placement.effect_at(rank)
        ]
        if changed:
            ranks = "rank" if len(changed) == 1 else "ranks"
            found = (
                f"position_effects of {placement.id} change at {ranks} {listed(changed)}: choices "
                "there were learned with those before, and what was learned of them stays"
            )
            yield CHANGED.found(f"placement/{placement.id}/position_effects", found)


CHECK = Check((CHANGED,), find)
