"""The uniform policy from logs of Thompson sampling, with a reward model that needs no fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bandits.ope_logs import read_log
from benchmarks.report import figure
from nba.bandits.ope import DM, DR, IPS, SNIPS, action_means, diagnose, verdict

REFERENCE = {
    "all": (0.0023596395, 0.0023337139, 0.0041999481, 0.0022890298),
    "men": (0.0030086263, 0.0031894232, 0.0058937297, 0.0032486630),
    "women": (0.0074375775, 0.0023730461, 0.0043200668, 0.0006927463),
}
"""IPW, SNIPW, DM, DR of an independent calculation, printed to 10 decimals."""


def table(folder: Path) -> list[dict[str, Any]]:
    """Compare all twelve values, and refuse the one file that cannot carry them."""
    gaps, refused = [], {}
    for campaign, expected in REFERENCE.items():
        log = read_log(folder, "bts", campaign)
        target = log.target(action_means(log.data, n_actions=log.n_actions))
        found = [one.terms(log.data, target).value for one in (IPS(), SNIPS(), DM(), DR())]
        gaps.append(float(np.abs(np.array(found) - expected).max()))
        refused[campaign] = verdict(diagnose(log.data, target)).refused
    right = refused == {"all": False, "men": False, "women": True}
    return [
        figure("reference table", max(gaps), "", "largest of 12 differences", at_most=1e-9),
        figure("refused: women, and it alone", float(right), "", "1 is so", at_least=1),
    ]
