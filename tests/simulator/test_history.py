"""A history is random choices under the guardrails, resolved to the end."""

import asyncio
from collections import Counter

from nba.simulator.history import history_arrivals, run_history


def test_a_history_tries_everything_allowed(world, make_service):
    arrivals = history_arrivals(world, decisions=1_000, days=8.0)
    seen = []
    memory = asyncio.run(
        run_history(
            world,
            arrivals,
            make_service=make_service,
            progress=lambda done, total: seen.append((done, total)),
        )
    )
    counts = Counter(played.action for played in memory.played)
    assert seen[-1] == (1_000, 1_000)
    assert len(counts) > 20
    assert counts.most_common(1)[0][0] == "no_action"
    assert 0.01 < sum(played.accepted for played in memory.played) / 1_000 < 0.1
