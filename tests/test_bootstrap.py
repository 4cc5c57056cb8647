"""The composition root: settings from variables, clocks, chance, and where embedded stores lie."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nba.bootstrap import (
    RandomBits,
    artifact_root,
    clock_of,
    control_url,
    environment,
    load_settings,
    open_runtime,
    system_clock,
    tracking_uri,
)
from nba.errors import DefinitionError, UnavailableError
from nba.settings import Settings


def test_a_wrong_variable_is_named_with_what_was_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NBA_PORT", "eighty")
    monkeypatch.setenv("NBA_PARTITIONS", "0")
    with pytest.raises(DefinitionError) as caught:
        load_settings()
    assert [(fault.place, fault.found) for fault in caught.value.faults] == [
        ("NBA_PORT", "found 'eighty'"),
        ("NBA_PARTITIONS", "found '0'"),
    ]


def test_what_is_given_overrides_the_environment_and_none_does_not(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("NBA_PORT", "81")
    assert load_settings(port=None).port == 81
    assert load_settings(port=82).port == 82


def test_a_child_reads_the_same_settings_from_its_environment(monkeypatch: pytest.MonkeyPatch):
    settings = Settings(port=81, data_dir=Path("elsewhere"), redis_url="redis://x:1")
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_embedded_stores_lie_under_the_data_folder(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data")
    assert control_url(settings) == f"sqlite:///{tmp_path}/data/control.db"
    assert tracking_uri(settings) == f"sqlite:///{tmp_path}/data/mlflow.db"
    assert artifact_root(settings) == tmp_path / "data" / "mlartifacts"
    elsewhere = Settings(control_url="postgresql://x/y", mlflow_tracking_uri="http://mlflow")
    assert control_url(elsewhere) == "postgresql://x/y"
    assert tracking_uri(elsewhere) == "http://mlflow"


def test_a_scaled_clock_starts_where_it_is_told_and_runs_faster():
    epoch_ms = system_clock() - 10_000
    settings = Settings(clock_scale=60.0, clock_epoch_ms=epoch_ms, clock_offset_ms=1_000_000)
    shown = clock_of(settings)()
    assert 1_000_000 + 60 * 10_000 <= shown <= 1_000_000 + 60 * (system_clock() - epoch_ms)
    assert clock_of(Settings()) is system_clock


def test_bits_of_chance_stay_within_their_count_and_do_not_repeat():
    bits = RandomBits()
    drawn = [bits(40) for _ in range(2_000)]
    assert all(0 <= number < 2**40 for number in drawn)
    # The chance that two of 2,000 are equal among 2**40 is two in a million.
    assert len(set(drawn)) == len(drawn)
    ones = sum(number.bit_count() for number in drawn)
    assert abs(ones / (2_000 * 40) - 0.5) < 0.01


def test_a_store_that_cannot_be_reached_is_unavailable(tmp_path: Path):
    async def main() -> None:
        settings = Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:1")
        async with open_runtime(settings):
            pytest.fail("it opened")

    with pytest.raises(UnavailableError, match="cannot be reached"):
        asyncio.run(main())
