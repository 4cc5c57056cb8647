"""What a process does before it answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from shop import Shop, ask, write_project

from nba.bandits import projection
from nba.decision import kernels
from nba.decision.pipeline import decide
from nba.decision.situations import DecisionInputs
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import new_decision_id
from nba.serving.app import warm


def compiled() -> list[int]:
    """Return for how many types of arguments each kernel of contents is compiled."""
    used = (kernels.content_values, projection._check, projection._project)
    return [len(kernel.signatures) for kernel in used]


def test_choosing_among_contents_is_compiled_before_the_first_request(tmp_path: Path) -> None:
    plan = Shop(write_project(tmp_path)).plan
    warm(plan)
    before = compiled()
    assert min(before) > 0
    for seed in range(20):
        decided = decide(
            plan,
            DecisionInputs(
                decision_id=new_decision_id(0, 0, seed),
                at_ms=0,
                seed=seed,
                request=ask("anna", "web.hero", actions=("shirt",)),
                features=np.full(len(plan.features.names), np.nan, dtype=np.float32),
                consents={},
                time_zone=None,
                locale=None,
                history=EMPTY_HISTORY,
            ),
        )
        assert decided.decision.degraded == ()
    assert compiled() == before
