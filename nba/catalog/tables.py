"""Tables of the control store, in types that SQLite and PostgreSQL share."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

_MAX_ID = 128
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

plans = Table(
    "plans",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("version", String(_MAX_ID), nullable=False, unique=True),
    Column("artifact", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

publications = Table(
    "publications",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("version", String(_MAX_ID), ForeignKey("plans.version"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

layouts = Table(
    "layouts",
    metadata,
    Column("layout_id", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("key", String(_MAX_ID), nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("positions", JSON, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_snapshots_key_sequence", "key", "sequence"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", _ROW_ID, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
