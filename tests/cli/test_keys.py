"""``nba keys``: a key from its first day to its last, and a service asked with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_api import live_api

Run = Callable[..., Any]


def test_a_key_is_shown_once_and_listed_without_its_secret(nba: Run) -> None:
    made = nba("keys", "create", "web", "--scope", "decide")
    (text,) = re.findall(r"^nba_[a-z2-7]{16}_[a-z2-7]{52}$", made.out, re.MULTILINE)
    listed = nba("keys", "list")
    assert "web" in listed.out
    assert text.rpartition("_")[2] not in listed.out
    (row,) = nba("keys", "list", "--json").json
    assert (row["name"], row["scope"], row["last_used"]) == ("web", "decide", None)
    assert row["permissions"] == ["decide", "report", "write_customers"]
    assert text.startswith(f"nba_{row['id']}_")


def test_a_key_is_rotated_and_revoked_by_its_name(nba: Run) -> None:
    made = nba("keys", "create", "ops", "--scope", "manage", "--role", "engineer", "--json").json
    rotated = nba("keys", "rotate", "ops", "--grace", "30m", "--json").json
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert rotated["old_secret_until"] is not None
    assert "is revoked" in nba("keys", "revoke", "ops").out
    (row,) = nba("keys", "list", "--json").json
    assert row["revoked_at"] is not None
    assert "revoked" in nba("keys", "list").out
    refused = nba("keys", "rotate", "ops")
    assert (refused.status, refused.err) == (1, "error: key 'ops' is revoked; make another\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("x", "--scope", "manage"), "/roles: a manage key without roles"),
        (("x", "--scope", "decide", "--role", "admin"), "/roles: found admin"),
        (("x", "--scope", "decide", "--only", "publish"), "/only: found publish"),
        (("x", "--scope", "decide", "--expires", "soon"), "--expires: found 'soon'"),
        (("x", "--scope", "decide", "--expires", "99999d"), "--expires: found '99999d'"),
        (("x", "--scope", "decide", "--expires", "0d"), "/expires_at"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_made(
    nba: Run, words: tuple[str, ...], told: str
) -> None:
    refused = nba("keys", "create", *words)
    assert refused.status == 1
    assert told in refused.err
    assert nba("keys", "list", "--json").json == []


def test_a_key_that_is_not_there_is_named(nba: Run) -> None:
    refused = nba("keys", "revoke", "nobody")
    assert (refused.status, refused.err) == (1, "error: there is no key named 'nobody'\n")


def test_a_service_is_not_opened_to_others_by_not_thinking_of_it(
    nba: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_HOST", "0.0.0.0")  # noqa: S104 - what is tested
    for command in ("up", "api"):
        refused = nba(command)
        assert refused.status == 1
        assert "NBA_ACCESS: it is unset, and NBA_HOST=0.0.0.0 lets other machines in" in refused.err


def test_commands_that_ask_a_service_send_the_key_that_is_set(
    nba: Run, valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = nba("keys", "create", "me", "--scope", "decide", "--json").json["key"]
    ask = ("decide", "anna", "web.home.hero", "--dry-run", "--json")
    with live_api(valkey, tmp_path / "data", tmp_path.name, access="keys") as url:
        refused = nba(*ask, "--url", url)
        assert refused.status == 1
        assert "found no Authorization header" in refused.err
        monkeypatch.setenv("NBA_API_KEY", text)
        assert nba(*ask, "--url", url).json["mode"] == "dry_run"
