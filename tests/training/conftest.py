"""Small logs worked out by hand, and one that is large enough to learn from."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.models.spec import ModelSpec

START = datetime(2025, 1, 1, tzinfo=UTC)


def _decision(number, **columns):
    """Return a row of ``decisions``: choice 0 of d<number>, one hour after the one before."""
    at = START + timedelta(hours=number)
    return {
        "decision_id": f"d{number}",
        "choice": 0,
        "customer_id": f"c{number}",
        "at": at,
        "horizon_at": at + timedelta(days=7),
        "placement": "email.body",
        "channel": "email",
        "rank": 1,
        "action": "shoes",
        "content": None,
        "propensity": 0.1,
        "value": 1.0,
        "cost": 0.0,
        "score": 0.1,
        "probability": 0.5,
        "candidates": ["no_action", "shoes"],
        "probabilities": [0.5, 0.5],
        "holdout": False,
        "fallback": False,
        "plan_version": "p1",
        "source": "live",
        **columns,
    }


def _resolution(number, kind="rewarded", label=1.0, reward=1.0, *, hours=100, choice=0):
    """Return a row of ``resolutions`` for choice 0 of d<number>."""
    return {
        "decision_id": f"d{number}",
        "choice": choice,
        "action": "shoes",
        "kind": kind,
        "label": label,
        "reward": reward,
        "at": START + timedelta(hours=hours),
        "outcome_id": None,
    }


def _log_of(decisions, resolutions):
    """Return a log in memory of rows given as dictionaries."""
    log = MemoryLog()
    base = dict(SCHEMAS[LogTable.DECISIONS])
    extra = {
        name: pl.String() if isinstance(value, str) else pl.Float32()
        for row in decisions
        for name, value in row.items()
        if name not in base
    }
    log.append(LogTable.DECISIONS, pl.DataFrame(decisions, schema=base | extra))
    schema = SCHEMAS[LogTable.RESOLUTIONS]
    log.append(LogTable.RESOLUTIONS, pl.DataFrame(resolutions, schema=schema))
    return log


@pytest.fixture(scope="session")
def decision():
    """Build a row of ``decisions``."""
    return _decision


@pytest.fixture(scope="session")
def resolution():
    """Build a row of ``resolutions``."""
    return _resolution


@pytest.fixture(scope="session")
def log_of():
    """Build a log."""
    return _log_of


@pytest.fixture(scope="session")
def learnable():
    """3,000 choices: the outcome is likely where ``age`` fits the action, unlikely elsewhere.

    With no action the chance is .1; shoes give .5 to those above 50 and .1 below, hats the reverse.
    So always shoes, or always hats, brings .3 and the best policy .5.
    """
    rng = np.random.default_rng(7)
    decisions, resolutions = [], []
    actions = ("no_action", "hats", "shoes")
    for number in range(3_000):
        age = float(rng.integers(20, 80))
        action = actions[rng.integers(3)]
        fits = (action == "shoes" and age >= 50) or (action == "hats" and age < 50)
        chance = 0.5 if fits else 0.1
        label = float(rng.random() < chance)
        decisions.append(
            _decision(
                number,
                action=action,
                probability=1 / 3,
                candidates=list(actions),
                probabilities=[1 / 3] * 3,
                f_age=age,
                f_region="north" if number % 2 else "south",
                a_action_id=action,
            )
        )
        kind = "rewarded" if label else "expired"
        resolutions.append(_resolution(number, kind, label, 2 * label, hours=5_000))
    return _log_of(decisions, resolutions)


@pytest.fixture(scope="session")
def spec():
    """Describe a model of the learnable log."""
    return ModelSpec(
        name="conversion",
        description="Chance to convert",
        owner="data",
        card="card.md",
        customer_features=("age", "region"),
        candidate_features=("action_id",),
        parameters={"learning_rate": 0.1, "n_estimators": 100, "min_child_samples": 20},
    )
