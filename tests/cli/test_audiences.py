"""``nba audience`` as it is run: on a store with a live plan, again, replaced and emptied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_api import ROOT, _publish

from nba.bootstrap import environment, load_settings


@pytest.fixture
def audience(
    nba: Callable[..., Any], valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run ``nba audience`` on a store with a live plan."""
    settings = load_settings(
        redis_url=valkey, data_dir=tmp_path / "data", key_prefix="listing", project_dir=ROOT
    )
    asyncio.run(_publish(settings))
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    return lambda *words: nba("audience", *words)


def test_a_list_is_uploaded_replaced_counted_and_emptied(
    audience: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "gold.csv"
    path.write_text("id\nanna\nbob\n", encoding="utf-8")
    ran = audience("upload", "members/gold", path, "--column", "id")
    assert ran.out == "members/gold: 2 put on by 2 rows of gold.csv, 0 taken off, 0 rejected\n"
    path.write_text("id\nbob\ncleo\n" + "x" * 129 + "\n", encoding="utf-8")
    ran = audience("upload", "members/gold", path, "--column", "id", "--replace")
    assert ran.status == 2  # something was rejected
    assert "nobody was taken off" in ran.out
    path.write_text("id\nbob\ncleo\n", encoding="utf-8")
    ran = audience("upload", "members/gold", path, "--column", "id", "--replace")
    assert "0 put on by 2 rows of gold.csv, 1 taken off" in ran.out
    counts = [line.split() for line in audience("list").out.splitlines()]
    assert ["members/gold", "2"] in counts
    assert ["members", "0"] in counts
    assert audience("remove", "members/gold", "--json").json["removed"] == 2
    wrong = audience("upload", "members/glod", path)
    assert (wrong.status, "did you mean members/gold?" in wrong.err) == (1, True)
