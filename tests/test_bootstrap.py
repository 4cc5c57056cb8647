"""The composition root: settings from variables, clocks, chance, and where embedded stores lie."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from nba.bootstrap import (
    RandomBits,
    artifact_root,
    clock_of,
    control_url,
    embedded_files,
    environment,
    load_settings,
    open_archives,
    open_log,
    open_runtime,
    open_sealer,
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


def test_the_sealing_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data")
    sealed = open_sealer(settings).seal("anna", "age", 4)
    assert open_sealer(settings).open("anna", "age", sealed) == 4
    (file,) = (tmp_path / "data").iterdir()
    assert file.name == "sealing.key"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_sealing_key_that_is_set_is_used(tmp_path: Path):
    settings = Settings(data_dir=tmp_path, sealing_key=b64encode(bytes(32)).decode())
    sealed = open_sealer(settings).seal("anna", "age", 4)
    assert open_sealer(settings).open("anna", "age", sealed) == 4
    assert not list(tmp_path.iterdir())
    assert str(settings.sealing_key) not in repr(settings)


@pytest.mark.parametrize("text", ["short", "", b64encode(bytes(16)).decode(), "é" * 44])
def test_a_sealing_key_that_is_none_is_refused_and_not_shown(text: str):
    with pytest.raises(DefinitionError) as caught:
        open_sealer(Settings(sealing_key=text))
    (fault,) = caught.value.faults
    assert fault.place == "NBA_SEALING_KEY"
    assert fault.found == f"found a text of {len(text)} characters"


def test_every_other_dataset_of_a_log_in_a_folder_is_an_archive(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)
    assert open_archives(settings) == []
    for name in ("live", "hillstrom", "history"):
        (tmp_path / "log" / name).mkdir(parents=True)
    (tmp_path / "log" / "a-file").touch()
    assert len(open_archives(settings)) == 2
    assert open_archives(Settings(log_url="s3://bucket/log")) == []


def test_only_embedded_stores_have_files_of_ours(tmp_path: Path):
    names = [path.name for path in embedded_files(Settings(data_dir=tmp_path))]
    assert names == ["control.db", "mlflow.db", "mlartifacts"]
    elsewhere = Settings(control_url="postgresql://x/y", mlflow_tracking_uri="http://mlflow")
    assert embedded_files(elsewhere) == []


def test_a_log_that_machines_share_needs_a_key_that_they_share(tmp_path: Path):
    shared = Settings(data_dir=tmp_path, log_url="s3://bucket/log")
    with pytest.raises(UnavailableError, match="set NBA_SEALING_KEY"):
        _ = open_log(shared).sealer
    assert list(tmp_path.iterdir()) == []
    key = b64encode(bytes(32)).decode()
    keyed = shared.model_copy(update={"sealing_key": key})
    assert open_log(keyed).sealer.open("a", "b", open_sealer(keyed).seal("a", "b", 1)) == 1
