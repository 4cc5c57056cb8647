"""The whole service, for real: what it acknowledged survives the death of any of its processes."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import httpx
import polars as pl
import psutil
import pytest

from nba.bootstrap import load_settings, open_control
from nba.decision.artifact import unpack_plan
from nba.ledger.delta import DeltaLog
from nba.ledger.log import LogTable
from nba.worker.pointing import state_key

CROWD = "crowd-2"
"""A customer who is not held out."""

WORDS = {"api": "nba api", "worker": "nba worker", "store": "valkey-server"}


@pytest.fixture(scope="module")
def tree(start_tree, tmp_path_factory):
    return start_tree(tmp_path_factory.mktemp("data"))


def log_of(tree) -> DeltaLog:
    return DeltaLog(str(tree.data / "log" / "live"))


def decide(client: httpx.Client, number: int, **changes) -> httpx.Response:
    body = {
        "customer_id": f"customer-{number}",
        "placements": [{"id": "web.home.hero"}],
        "request_id": f"request-{number}",
        **changes,
    }
    return client.post("/v1/decisions", json=body)


def until(check, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


class Traffic:
    """Keeps deciding and reporting until stopped; remembers what was acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.decisions: list[str] = []
        self.outcomes: list[str] = []
        self.failures = 0
        self._going = True
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._going = False
        self._thread.join()

    def _run(self) -> None:
        number = 0
        with httpx.Client(base_url=self.url, timeout=5.0) as client:
            while self._going:
                number += 1
                try:
                    self._once(client, number)
                except httpx.HTTPError:
                    self.failures += 1
                    time.sleep(0.05)

    def _once(self, client: httpx.Client, number: int) -> None:
        body = {
            "customer_id": f"{self.name}-{number}",
            "placements": [{"id": "web.home.hero"}],
        }
        answer = client.post("/v1/decisions", json=body)
        if not answer.is_success:
            self.failures += 1
            time.sleep(0.05)
            return
        decision_id = answer.json()["decision_id"]
        self.decisions.append(decision_id)
        outcome = {"outcome_id": decision_id, "decision_id": decision_id, "kind": "convert"}
        reply = client.post("/v1/outcomes", json=outcome)
        if reply.is_success and reply.json()["results"][0]["status"] == "recorded":
            self.outcomes.append(decision_id)


@pytest.mark.parametrize("victim", ["worker", "api", "store"])
def test_nothing_acknowledged_is_lost_when_a_process_is_killed(tree, victim):
    with Traffic(tree.url, victim) as traffic:
        until(lambda: len(traffic.decisions) > 30)
        tree.child(WORDS[victim]).kill()
        before = len(traffic.decisions)
        until(lambda: len(traffic.decisions) > before + 30, seconds=60)
    with httpx.Client(base_url=tree.url, timeout=5.0) as client:
        for decision_id in traffic.decisions:
            answer = client.get(f"/v1/decisions/{decision_id}")
            assert answer.status_code == 200, decision_id
        last = traffic.decisions[-1]
        explained = client.get(f"/v1/decisions/{last}/explain").json()
        assert explained["replayed"] is True
    all_is_logged_once(tree, traffic)


def all_is_logged_once(tree, traffic: Traffic) -> None:
    reported = set(traffic.outcomes)

    def resolved() -> bool:
        frame = log_of(tree).scan(LogTable.RESOLUTIONS).collect()
        return reported <= set(frame["decision_id"].to_list())

    until(resolved, seconds=60)
    decisions = log_of(tree).scan(LogTable.DECISIONS).collect()
    assert set(traffic.decisions) <= set(decisions["decision_id"].to_list())
    for table in (LogTable.DECISIONS, LogTable.RESOLUTIONS):
        rows = log_of(tree).scan(table).collect()
        assert rows.select("decision_id", "choice").is_duplicated().sum() == 0
    outcomes = log_of(tree).scan(LogTable.OUTCOMES).collect()
    assert outcomes["outcome_id"].is_duplicated().sum() == 0


def test_several_workers_lose_and_repeat_nothing_and_learn_what_one_would(start_tree, tmp_path):
    """What they learned live is what the log teaches, to the byte."""
    tree = start_tree(tmp_path, NBA_WORKER_COUNT="3")
    with Traffic(tree.url, "shared") as traffic:
        for seen in (30, 60, 90):
            until(lambda seen=seen: len(traffic.decisions) > seen)
            random.choice(tree.children("nba worker")).kill()
        until(lambda: len(traffic.decisions) > 150)
    all_is_logged_once(tree, traffic)

    def bandit(*command: str) -> dict[str, Any]:
        command = (sys.executable, "-m", "nba", "bandit", *command, "--json")
        ran = subprocess.run(command, env=tree.environment, check=True, capture_output=True)
        return dict(json.loads(ran.stdout))

    resolved = log_of(tree).scan(LogTable.RESOLUTIONS).collect().height
    until(lambda: bandit("status")["updates"] == resolved)
    settings = load_settings(data_dir=tmp_path)
    control = open_control(settings)
    key = state_key(unpack_plan(control.plan(control.current())))
    live = control.latest_snapshot(key)
    done = bandit("rebuild")
    rebuilt = control.latest_snapshot(key)
    assert done["updates"] == resolved
    assert rebuilt.sequence > live.sequence
    assert rebuilt.state == live.state
    control.close()


def test_an_unknown_customer_is_decided_on_priors_and_an_event_counts_at_once(tree):
    with httpx.Client(base_url=tree.url) as client:
        before = decide(client, 900_001).json()
        assert before["choices"][0]["action"]
        track = {
            "type": "track",
            "userId": "customer-900001",
            "event": "Complaint Opened",
            "messageId": "m1",
        }
        assert client.post("/v1/events", json=track).json()["results"] == [{"status": "recorded"}]
        after = decide(client, 900_002, customer_id="customer-900001").json()
        explained = client.get(f"/v1/decisions/{after['decision_id']}/explain").json()
        assert explained["situation"]["features"]["complaints_14d"] == 1.0


def test_the_same_request_is_answered_with_the_same_bytes(tree):
    with httpx.Client(base_url=tree.url) as client:
        first, again = decide(client, 900_010), decide(client, 900_010)
        assert first.content == again.content
        other = decide(client, 900_010, placements=[{"id": "email.body"}])
        assert other.status_code == 409
        assert other.headers["content-type"] == "application/problem+json"


def test_promoting_a_model_is_live_within_two_seconds_and_fails_no_request(tree):
    register_model(tree)
    with Traffic(tree.url, "promotion") as traffic:
        until(lambda: len(traffic.decisions) > 10)
        plan = httpx.get(f"{tree.url}/readyz").json()["plan_version"].partition(".")[0]
        promote_model(tree)
        started = time.monotonic()

        def is_live() -> bool:
            version = httpx.get(f"{tree.url}/readyz").json()["plan_version"]
            return version.partition(".")[0] != plan

        until(is_live)
        taken = time.monotonic() - started
        # Every process follows by itself; the last decisions are those of all of them.
        until(lambda: models_of(tree, traffic.decisions[-20:]) == [{"conversion": "1"}])
    assert traffic.failures == 0
    assert taken < 2.0
    with httpx.Client(base_url=tree.url) as client:
        first = client.get(f"/v1/decisions/{traffic.decisions[0]}/explain").json()
        assert (first["models"], first["replayed"]) == ({}, True)


def models_of(tree, decision_ids):
    """Return the different models that decisions were made with."""
    found = []
    with httpx.Client(base_url=tree.url) as client:
        for decision_id in decision_ids:
            models = client.get(f"/v1/decisions/{decision_id}/explain").json()["models"]
            if models not in found:
                found.append(models)
    return found


def register_model(tree) -> None:
    """Register a small propensity model of the reference project's ``conversion``."""
    script = Path(__file__).with_name("register_model.py")
    subprocess.run([sys.executable, str(script)], env=tree.environment, check=True, timeout=300)


def promote_model(tree) -> None:
    """Move the alias as ``nba promote`` does, without waiting for its start."""
    from nba.models.mlflow import MlflowRegistry

    registry = MlflowRegistry(f"sqlite:///{tree.data.resolve() / 'mlflow.db'}")
    registry.versions("conversion")
    registry.set_alias("conversion", "champion", "1")


def test_it_stops_cleanly_and_starts_again_with_all_it_knew(start_tree, tmp_path):
    tree = start_tree(tmp_path)
    with httpx.Client(base_url=tree.url) as client:
        answer = decide(client, 1)
    family = psutil.Process(tree.process.pid).children(recursive=True)
    started = time.monotonic()
    assert tree.stop() == 0
    assert time.monotonic() - started < 20
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    again = start_tree(tmp_path)
    with httpx.Client(base_url=again.url) as client:
        decision_id = answer.json()["decision_id"]
        assert client.get(f"/v1/decisions/{decision_id}").content == answer.content
        assert client.get(f"/v1/decisions/{decision_id}/replay").content == answer.content
        assert decide(client, 1).content == answer.content
    assert again.stop() == 0
    rows = DeltaLog(str(tmp_path / "log" / "live")).scan(LogTable.DECISIONS).collect()
    assert rows["decision_id"].to_list() == [decision_id]


def test_caps_hold_for_one_customer_under_concurrent_requests(tree):
    consents = {"email": {"marketing": "granted"}}
    with httpx.Client(base_url=tree.url) as client:
        profile = {"consents": consents, "time_zone": "Europe/Berlin"}
        assert client.put(f"/v1/customers/{CROWD}", json=profile).is_success
    statuses: list[int] = []

    def ask(number: int) -> None:
        with httpx.Client(base_url=tree.url, timeout=20.0) as client, contextlib.suppress(OSError):
            body = {"customer_id": CROWD, "placements": [{"id": "email.body"}]}
            statuses.extend(
                client.post(
                    "/v1/decisions", json={**body, "request_id": f"{number}-{i}"}
                ).status_code
                for i in range(5)
            )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}

    def logged() -> pl.DataFrame:
        mine = pl.col("customer_id") == CROWD
        return log_of(tree).scan(LogTable.DECISIONS).filter(mine).collect()

    until(lambda: logged().height == 40)
    said = logged().filter(pl.col("action") != "no_action")
    assert 1 <= said.height <= 2, "at most two e-mails a week"
