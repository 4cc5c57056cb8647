"""The table of API keys, beside the control store's own."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, String, Table, Text

from nba.catalog.tables import metadata

_MAX_ID = 128

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(_MAX_ID), primary_key=True),
    Column("name", String(_MAX_ID), nullable=False, unique=True),
    Column("scope", String(_MAX_ID), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("only", JSON, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("previous_hash", LargeBinary),
    Column("previous_until_ms", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("rotated_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
    Column("last_used_ms", BigInteger),
)
