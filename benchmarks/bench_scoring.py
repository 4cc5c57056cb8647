"""Scoring one customer's candidates, against LightGBM's own prediction, in one interleaved run.

The forest has 200 trees of 31 leaves over 40 features, 20 of the customer and 20 of the candidate.
Every call is for another customer: the same rows again and again would flatter every tree engine,
because the processor learns their branches. LightGBM is given its rows ready made.

A second table has 2 of the candidate's features crossed: read from the customer's row, each from
the column of the candidate's group, of which each feature has its own 10.

Run ``python benchmarks/bench_scoring.py``; it prints a table and writes
``benchmarks/results/scoring.json``.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from nba.models import Calibration, ModelInput, PropensityModel, parse_lightgbm

Scores = NDArray[np.float64]

TREES = 200
LEAVES = 31
FEATURES = 40
SITUATION = 20
CROSSES = 2
GROUPS = 10
TRAINING_ROWS = 20_000
SIZES = (1, 10, 50, 100, 1000)
ROUNDS = 200
GOALS_US = {50: 100.0, 1000: 700.0}
GOAL_CROSS_RATIO = 2.0
GOAL_DIFFERENCE = 1e-15
RESULT = Path(__file__).parent / "results" / "scoring.json"


def fit_booster(rng: np.random.Generator) -> lightgbm.Booster:
    rows = rng.normal(size=(TRAINING_ROWS, FEATURES))
    signal = rows @ rng.normal(size=FEATURES) + 3.0 * rows[:, 0] * rows[:, -1]
    labels = signal + 3.0 * rng.normal(size=TRAINING_ROWS) > 0.0
    dataset = lightgbm.Dataset(rows, labels, feature_name=[f"f{i}" for i in range(FEATURES)])
    parameters = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "num_threads": 1,
        "seed": 1,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, dataset, num_boost_round=TREES)


def as_model(booster: lightgbm.Booster) -> PropensityModel:
    forest = parse_lightgbm(booster.model_to_string())
    inputs = tuple(
        ModelInput(name, "situation" if i < SITUATION else "candidate")
        for i, name in enumerate(forest.feature_names)
    )
    return PropensityModel(
        name="bench",
        version="1",
        forest=forest,
        calibration=Calibration(),
        inputs=inputs,
        trained_through_ms=0,
        base_rate=0.5,
    )


def microseconds(call: Callable[[], Scores]) -> tuple[float, Scores]:
    begin = perf_counter()
    answer = call()
    return 1e6 * (perf_counter() - begin), answer


def measure(
    booster: lightgbm.Booster,
    model: PropensityModel,
    size: int,
    n_crosses: int,
    rng: np.random.Generator,
) -> tuple[list[float], float]:
    """Return median µs of (ours, the plain walker, LightGBM), and the largest difference."""
    names = model.forest.feature_names
    n_own = FEATURES - SITUATION - n_crosses
    columns = rng.normal(size=(size, n_own))
    gathers = [
        SITUATION + GROUPS * number + rng.integers(0, GROUPS, size) for number in range(n_crosses)
    ]
    n_columns = SITUATION + GROUPS * n_crosses
    bound = model.bind(
        names[:SITUATION],
        {},
        names[SITUATION : SITUATION + n_own],
        {},
        columns,
        crosses=dict(zip(names[SITUATION + n_own :], gathers, strict=True)),
    )
    bound.logits(np.zeros(n_columns, dtype=np.float32))
    times = []
    difference = 0.0
    for _ in range(ROUNDS):
        row = rng.normal(size=n_columns).astype(np.float32)
        values = row.astype(np.float64)
        crossed = [values[gather][:, None] for gather in gathers]
        rows = np.hstack([np.tile(values[:SITUATION], (size, 1)), columns, *crossed])
        predict = partial(booster.predict, rows, raw_score=True, num_threads=1)
        ours_us, ours = microseconds(partial(bound.logits, row))
        walker_us, _ = microseconds(partial(model.forest.score_rows, rows))
        theirs_us, theirs = microseconds(predict)
        times.append((ours_us, walker_us, theirs_us))
        difference = max(difference, float(np.abs(ours - theirs).max()))
    return [median(column) for column in zip(*times, strict=True)], difference


def figure(name: str, value: float, unit: str, goal: float | None, how: str) -> dict[str, Any]:
    met = None if goal is None else bool(value <= goal)
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "goal": None if goal is None else f"≤ {goal:g}",
        "met": met,
        "how": how,
    }


def main() -> None:
    rng = np.random.default_rng(1)
    booster = fit_booster(rng)
    model = as_model(booster)
    setting = (
        f"{TREES} trees of {LEAVES} leaves over {FEATURES} features ({SITUATION} the customer's)"
    )
    how = f"{setting}, one thread, median of {ROUNDS} random customers, interleaved"
    print(setting)
    figures = []
    worst = 0.0
    plain: dict[int, float] = {}
    for n_crosses in (0, CROSSES):
        kind = f" with {n_crosses} crosses of {GROUPS} groups" if n_crosses else ""
        print(
            f"{'candidates':>10} {'ours µs':>9} {'walker µs':>10} {'LightGBM µs':>12} {'ratio':>7}"
        )
        for size in SIZES:
            (ours, walker, theirs), difference = measure(booster, model, size, n_crosses, rng)
            worst = max(worst, difference)
            print(f"{size:>10} {ours:>9.1f} {walker:>10.1f} {theirs:>12.1f} {theirs / ours:>7.1f}")
            goal = GOALS_US.get(size)
            if n_crosses and goal is not None:
                goal = round(GOAL_CROSS_RATIO * plain[size], 1)
            plain.setdefault(size, ours)
            figures += [
                figure(f"score {size} candidates{kind}", round(ours, 1), "µs", goal, how),
                figure(f"LightGBM on {size} candidates{kind}", round(theirs, 1), "µs", None, how),
            ]
    print(f"largest difference from LightGBM: {worst:g}")
    how = f"largest absolute difference from Booster.predict(raw_score=True), sizes {SIZES}"
    figures.append(figure("scoring error", worst, "log odds", GOAL_DIFFERENCE, how))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"figures": figures}, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
