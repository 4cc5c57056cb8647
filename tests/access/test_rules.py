"""Settings of access that do not fit, or would let in more than was said."""

from __future__ import annotations

import pytest

from nba.access.rules import require_access
from nba.bootstrap import load_settings
from nba.errors import DefinitionError

ISSUER = {"oidc_issuer": "https://id.example", "oidc_audience": "nba"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "0.0.0.0", "access": "open"},  # noqa: S104 - what is tested
        {"host": "0.0.0.0", "access": "keys"},  # noqa: S104 - what is tested
        {"access": "keys", **ISSUER},
        {"access": "keys", "oidc_issuer": "http://127.0.0.1:1", "oidc_audience": "nba"},
    ],
)
def test_what_fits_is_served(given: dict[str, str]) -> None:
    require_access(load_settings(**given))


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({"host": "0.0.0.0"}, ["NBA_ACCESS"]),  # noqa: S104 - what is tested
        ({"host": "nba.example"}, ["NBA_ACCESS"]),
        (ISSUER, ["NBA_ACCESS"]),
        ({"access": "open", **ISSUER}, ["NBA_ACCESS"]),
        ({"access": "keys", "oidc_audience": "nba"}, ["NBA_OIDC_ISSUER"]),
        ({"access": "keys", "oidc_issuer": "https://id.example"}, ["NBA_OIDC_AUDIENCE"]),
        (
            {"access": "keys", "oidc_issuer": "http://id.example", "oidc_audience": "nba"},
            ["NBA_OIDC_ISSUER"],
        ),
        ({"access": "keys", "oidc_issuer": "id", "oidc_audience": "nba"}, ["NBA_OIDC_ISSUER"]),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, str], places: list[str]) -> None:
    with pytest.raises(DefinitionError) as raised:
        require_access(load_settings(**given))
    assert [fault.place for fault in raised.value.faults] == places
