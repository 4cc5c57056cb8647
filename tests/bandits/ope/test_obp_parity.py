"""The Open Bandit Pipeline's own values, recorded once, on its own sample of its own data set.

How they were recorded is in the file; ``benchmarks/bandits/ope_parity.py`` compares everything
anew, the boosted reward model included.
"""

import json
from pathlib import Path

import pytest

from benchmarks.bandits.ope_logs import FILES, read_log
from benchmarks.bandits.ope_parity import LAMBDA, LOGISTIC, MEANS, TAU, reward_model, values

pytestmark = pytest.mark.datasets

RECORD = json.loads((Path(__file__).parent / "data" / "obp_0_4_1.json").read_text("utf-8"))


@pytest.fixture(scope="module", params=FILES, ids="/".join)
def log(request, datasets):
    return "/".join(request.param), read_log(datasets, *request.param)


def test_every_estimator_gives_the_recorded_value_on_every_file(log):
    name, found = log
    recorded = RECORD["values"][name][MEANS]
    assert len(recorded) == 7
    assert values(found, reward_model(found, MEANS)) == pytest.approx(recorded, abs=1e-9)


@pytest.mark.parametrize("name", ["random/men", "bts/men"])
def test_cross_fitted_logistic_regression_gives_the_recorded_values(datasets, name):
    found = read_log(datasets, *name.split("/"))
    recorded = RECORD["values"][name][LOGISTIC]
    assert values(found, reward_model(found, LOGISTIC)) == pytest.approx(recorded, abs=1e-9)


def test_the_values_were_recorded_with_the_bounds_used_here():
    assert (RECORD["switch_tau"], RECORD["shrinkage_lambda"]) == (TAU, LAMBDA)
    assert RECORD["versions"]["obp"] == "0.4.1"


def test_values_printed_elsewhere_are_those_recorded():
    """IPW and SNIPW of Thompson sampling from random logs, as another run of it printed them."""
    printed = {
        "all": (0.0045528800, 0.0047758331),
        "men": (0.0045335600, 0.0046042322),
        "women": (0.0068134740, 0.0068109652),
    }
    for campaign, expected in printed.items():
        recorded = RECORD["values"][f"random/{campaign}"][MEANS]
        assert (recorded["IPS"], recorded["SNIPS"]) == pytest.approx(expected, abs=1e-9)
