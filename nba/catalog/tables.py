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
_MAX_WORD = 32
_HASH_DIGITS = 64
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
    Column("source", String(_MAX_WORD), nullable=False),
    Column("change_set", String(_MAX_ID), nullable=False),
    Column("actor", Text, nullable=False),
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

object_versions = Table(
    "object_versions",
    metadata,
    Column("kind", String(_MAX_WORD), primary_key=True),
    Column("id", String(_MAX_ID), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", JSON, nullable=False),
    Column("note", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("change_set", String(_MAX_ID), nullable=False),
)

object_spans = Table(
    "object_spans",
    metadata,
    Column("kind", String(_MAX_WORD), primary_key=True),
    Column("id", String(_MAX_ID), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger),
    Column("version", Integer, nullable=False),
    Index("ix_object_spans_until", "until"),
)
"""Which version of an object was live: from one publication until before another."""

change_sets = Table(
    "change_sets",
    metadata,
    Column("row", _ROW_ID, primary_key=True, autoincrement=True),
    Column("id", String(_MAX_ID), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("base", String(_MAX_ID), nullable=False),
    Column("status", String(_MAX_WORD), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", String(_MAX_ID), nullable=False),
)

change_items = Table(
    "change_items",
    metadata,
    Column("change_set", String(_MAX_ID), ForeignKey("change_sets.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(_MAX_WORD), nullable=False),
    Column("id", String(_MAX_ID), nullable=False),
    Column("operation", String(_MAX_WORD), nullable=False),
    Column("body", JSON(none_as_null=True)),
    Column("target", Text, nullable=False),
    Column("base_version", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

change_approvals = Table(
    "change_approvals",
    metadata,
    Column("change_set", String(_MAX_ID), ForeignKey("change_sets.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("diff", JSON, nullable=False),
    Column("previous_hash", String(_HASH_DIGITS), nullable=False),
    Column("hash", String(_HASH_DIGITS), nullable=False),
)
