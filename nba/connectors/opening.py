"""A connector for what is declared: its adapter, its token, its client."""

from __future__ import annotations

import time

import httpx

from nba.catalog.declarations import Connection
from nba.connectors.contentful import ContentfulConnector
from nba.connectors.port import Connector
from nba.errors import Fault, InputError
from nba.settings import Settings

_TIMEOUT_SECONDS = 30.0
_VARIABLE = "NBA_CMS_TOKENS"


def open_connector(connection: Connection, settings: Settings) -> Connector:
    """Return the connector to a system.

    Raises :class:`~nba.errors.InputError` where the settings have no token for it.
    """
    return ContentfulConnector(
        connection,
        token=_token(connection.name, settings.cms_tokens or ""),
        client=httpx.Client(timeout=_TIMEOUT_SECONDS),
        sleep=time.sleep,
    )


def _token(name: str, given: str) -> str:
    for pair in given.split(","):
        key, _, token = pair.strip().partition("=")
        if key == name and token:
            return token
    found = f"no token for connector {name!r}"
    raise InputError([Fault(_VARIABLE, found, f"set it to {name}=<token>")])
