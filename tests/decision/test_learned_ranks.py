"""Where what was learned speaks of other position effects than the live ones."""

from __future__ import annotations

from dataclasses import replace

from nba.decision.learned_ranks import LearnedRanks, OutdatedRank
from nba.domain.catalog import Direction, Placement
from nba.domain.ids import PlacementId

PLAIN = Placement(id=PlacementId("app.inbox"), channel="app", direction=Direction.INBOUND)
HALVED = replace(PLAIN, position_effects=(1.0, 0.5))
FALLING = replace(PLAIN, position_effects=(1.0, 0.5, 0.2))


def learned(*shown: tuple[Placement, int]) -> LearnedRanks:
    ranks = LearnedRanks()
    for placement, rank in shown:
        ranks.note(placement, rank)
    return ranks


def test_what_was_learned_with_the_live_effects_is_up_to_date() -> None:
    assert learned((HALVED, 1), (HALVED, 2), (HALVED, 3)).outdated([HALVED]) == []
    assert learned((PLAIN, 1), (PLAIN, 1)).outdated([HALVED]) == []


def test_each_rank_that_was_learned_with_another_effect_is_told() -> None:
    ranks = learned((PLAIN, 3), (PLAIN, 2), (PLAIN, 2), (HALVED, 2), (HALVED, 3), (HALVED, 1))
    name = PLAIN.id
    assert ranks.outdated([FALLING]) == [
        OutdatedRank(name, 2, learned_with=1.0, now=0.5, choices=2, of=3),
        OutdatedRank(name, 3, learned_with=0.5, now=0.2, choices=1, of=2),
        OutdatedRank(name, 3, learned_with=1.0, now=0.2, choices=1, of=2),
    ]
    assert [one.rank for one in ranks.outdated([PLAIN])] == [2, 3]


def test_a_placement_that_is_gone_is_no_longer_told() -> None:
    assert learned((HALVED, 2)).outdated([]) == []


def test_counts_come_back_and_go_on() -> None:
    ranks = learned((PLAIN, 3), (HALVED, 2))
    again = LearnedRanks(ranks.counts)
    assert again.counts == ranks.counts == [(PLAIN.id, 3, 1.0, 1), (PLAIN.id, 2, 0.5, 1)]
    again.note(HALVED, 2)
    assert again.counts[1] == (PLAIN.id, 2, 0.5, 2)
