"""The learning path on a real randomized campaign, against figures worked out elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from nba.ledger.memory_log import MemoryLog
from nba.training.dataset import resolved_choices
from nba.training.evaluation import BEST_CONSTANT, LEARNED, LOGGING, evaluate
from nba.training.fit import fit_model
from nba.training.importer import import_log
from nba.training.mapping import load_mapping
from nba.training.train import find_spec

pytestmark = pytest.mark.datasets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def imported(datasets):
    mapping = load_mapping(ROOT / "training" / "hillstrom.yaml", root=ROOT)
    log = MemoryLog()
    report = import_log(datasets / "hillstrom" / "hillstrom.csv.gz", mapping, log)
    return log, report


def test_every_row_is_imported_with_what_it_brought(imported):
    _, report = imported
    assert (report.rows, report.unresolved, report.missing_cells) == (64_000, 0, {})
    found = {
        entry.action: (entry.rows, round(entry.label_rate, 5), round(entry.mean_reward, 3))
        for entry in report.actions
    }
    assert found == {
        "mens_email": (21_307, 0.18276, 1.423),
        "womens_email": (21_387, 0.15140, 1.077),
        "no_action": (21_306, 0.10617, 0.653),
    }


def test_the_model_that_ships_beats_the_base_rate_and_is_calibrated(imported):
    spec = find_spec("hillstrom_visit", root=ROOT)
    quick = replace(spec, parameters={**spec.parameters, "n_estimators": 60})
    fitted = fit_model(quick, resolved_choices(imported[0]))
    assert fitted.metrics.verdict == "better"
    assert not fitted.periods.in_time
    assert fitted.metrics.roc_auc == pytest.approx(0.64, abs=0.02)
    assert fitted.metrics.expected_calibration_error < 0.015


def test_no_gain_over_always_mens_can_be_detected_and_none_is_claimed(imported):
    evaluation = evaluate(resolved_choices(imported[0]), every_constant=True)
    by_name = {entry.policy: entry for entry in evaluation.policies}
    found = {name: round(entry.snips.value, 4) for name, entry in by_name.items()}
    assert found[BEST_CONSTANT] == found["always mens_email"] == 0.1828
    assert found["always womens_email"] == 0.1514
    assert found["no_action"] == 0.1062
    assert found[LOGGING] == 0.1468
    assert by_name[LEARNED].dr.value == pytest.approx(0.182, abs=0.002)
    assert by_name[LEARNED].verdict == "no detectable difference"
    assert by_name[BEST_CONSTANT].dr.standard_error == pytest.approx(0.0026, abs=0.0003)
