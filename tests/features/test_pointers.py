"""JSON pointers."""

from __future__ import annotations

from nba.features.pointers import pointer


def test_tilde_and_slash_are_escaped_as_rfc_6901_says() -> None:
    assert pointer("context", "m~n/é") == "/context/m~0n~1é"
