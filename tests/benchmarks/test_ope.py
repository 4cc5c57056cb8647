"""What benchmarks of off-policy evaluation take for the truth is the truth."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.bandits.ope_coverage import SETTINGS, VERY_HEAVY
from benchmarks.bandits.ope_slope import SETTINGS as FAVOURING
from benchmarks.bandits.ope_starbucks import read_sends
from nba.bandits.ope import DR, IPS, calibrate, evaluate


@pytest.mark.parametrize("setting", SETTINGS + VERY_HEAVY, ids=lambda each: each.name)
def test_a_simulated_log_is_worth_what_is_said_and_drawn_as_it_says(setting):
    assert setting.logging.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert setting.logging.min() == pytest.approx(setting.floor)
    large = replace(setting, customers=60_000)
    data, target = large.draw(np.random.default_rng(1))
    assert not any(one.is_off for one in calibrate(data, n_actions=5))
    for estimator in (IPS(), DR()):
        found = evaluate(estimator, data, target, replicates=50)
        assert abs(found.value - setting.truth) < 4 * found.standard_error


@pytest.mark.parametrize("setting", FAVOURING, ids=str)
def test_a_log_that_favours_an_action_is_drawn_as_it_says(setting):
    large = type(setting)(100_000, setting.floor)
    data, target = large.draw(1, (0.2, 0.3, 0.4))
    assert not any(one.is_off for one in calibrate(data, n_actions=3))
    found = evaluate(IPS(), data, target, replicates=50)
    assert abs(found.value - 0.3) < 4 * found.standard_error


def lines(path, rows):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_send_earns_what_is_spent_in_its_window_less_what_its_offer_pays(tmp_path):
    offer = {"reward": 5, "difficulty": 10, "duration": 7.0, "offer_type": "bogo", "channels": []}
    offers = [{**offer, "id": "one"}, {**offer, "id": "two"}]
    (tmp_path / "portfolio.json").write_text("\n".join(map(json.dumps, offers)))
    known = {"gender": "F", "age": 40, "income": 50_000, "became_member_on": "20170101"}
    unknown = {"gender": None, "age": 118, "income": None, "became_member_on": "20170201"}
    lines(tmp_path / "profile.jsonl.gz", [{**known, "id": "a"}, {**unknown, "id": "b"}])

    def event(person, hour, kind, **value):
        return {"person": person, "time": hour, "event": kind, "value": value}

    lines(
        tmp_path / "transcript.jsonl.gz",
        [
            event("a", 0, "offer received", **{"offer id": "one"}),
            event("a", 10, "transaction", amount=12.0),
            event("a", 10, "offer completed", offer_id="one", reward=5),
            event("a", 20, "offer completed", offer_id="two", reward=5),  # of an earlier send
            event("a", 168, "transaction", amount=3.0),
            event("b", 168, "offer received", **{"offer id": "two"}),
            event("b", 335, "transaction", amount=4.0),
            event("b", 336, "offer completed", offer_id="two", reward=5),  # too late
        ],
    )
    sends = read_sends(tmp_path)
    rewards = sends.data.rewards.reshape(5, 2)
    assert rewards[:2].tolist() == [[7.0, 0.0], [3.0, 4.0]]
    assert sends.data.actions.reshape(5, 2)[:2].tolist() == [[1, 0], [0, 2]]
    assert sends.data.probabilities[:4].tolist() == [0.0748, 0.252, 0.252, 0.0748]
    before = sends.situations[:, 4].reshape(5, 2)
    assert before[:3].tolist() == [[0.0, 0.0], [12.0, 0.0], [15.0, 4.0]]
    assert np.isnan(sends.situations[1, :2]).all()
