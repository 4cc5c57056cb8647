"""``nba ingest`` as it is run: on a store with a live plan, twice, with a file that is wrong."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from live_api import ROOT, _publish

from nba.bootstrap import environment, load_settings, open_log, open_runtime
from nba.domain.ids import CustomerId
from nba.ledger.log import LogTable
from nba.settings import Settings

HEADER = "customer_id,event,timestamp,category\n"


@pytest.fixture
def settings(valkey: str, tmp_path: Path) -> Settings:
    found = load_settings(
        redis_url=valkey, data_dir=tmp_path / "data", key_prefix="ingesting", project_dir=ROOT
    )
    asyncio.run(_publish(found))
    return found


def ingest(settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nba", "ingest", *map(str, arguments)]
    return subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, check=False, timeout=120
    )


def test_files_land_once_and_what_is_wrong_is_named(settings: Settings, tmp_path: Path) -> None:
    now = "2025-06-15T12:00:00Z"
    events = tmp_path / "events.csv"
    events.write_text(
        HEADER + f"cli,Product Viewed,{now},home\ncli,Product Viewed,soon,\n", encoding="utf-8"
    )
    people = tmp_path / "people.jsonl"
    people.write_text('{"customer_id": "cli", "age": 40}\n', encoding="utf-8")
    run = ingest(settings, people, events, "--json")
    assert run.returncode == 2, run.stderr  # something was rejected
    reports: list[dict[str, Any]] = json.loads(run.stdout)["files"]
    assert [(r["file"], r["recorded"], r["rejected"]) for r in reports] == [
        ("people.jsonl", 1, 0),
        ("events.csv", 1, 1),
    ]
    assert reports[1]["faults"][0]["place"] == "events.csv:3"
    again = ingest(settings, people, events)
    assert "people.jsonl was taken in before" in again.stdout

    async def kept() -> bytes | None:
        async with open_runtime(settings) as runtime:
            return await runtime.profiles.get(CustomerId("cli"))

    assert asyncio.run(kept()) is not None
    logged = open_log(settings).scan(LogTable.EVENTS).collect()
    assert logged["properties"].to_list() == ['{"category":"home"}']


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no file is named"),
        (["nowhere.csv"], "there is no file 'nowhere.csv'"),
        (["--kafka", "127.0.0.1:1"], "name the topic"),
    ],
)
def test_what_is_asked_wrongly_is_said(settings: Settings, arguments: list[str], said: str) -> None:
    run = ingest(settings, *arguments)
    assert run.returncode == 1
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_without_a_store_it_says_what_to_start(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("customer_id\na\n", encoding="utf-8")
    variables = {**environment(settings)}
    del variables["NBA_REDIS_URL"]
    command = [sys.executable, "-m", "nba", "ingest", str(tmp_path / "a.csv")]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "start `nba up`, or set NBA_REDIS_URL" in run.stderr
