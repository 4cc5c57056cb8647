"""The command line as it is run, and a service for the commands that ask one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from live_api import live_api

from nba.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command printed and the status it ended with."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, decoded."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def url(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of an API that lives for the session."""
    with live_api(valkey, tmp_path_factory.mktemp("cli"), "cli") as url:
        yield url


@pytest.fixture
def nba(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBA_DATA_DIR", str(tmp_path / "data"))

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["nba", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    return run
