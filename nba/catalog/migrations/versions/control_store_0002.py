"""Keep objects and change sets, and chain the audit trail."""

from __future__ import annotations

import json
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MAX_ID = 128
_MAX_WORD = 32
_HASH_DIGITS = 64


def upgrade() -> None:
    """Add the tables; every publication so far was one of files."""
    with op.batch_alter_table("publications") as publications:
        publications.add_column(
            sa.Column("source", sa.String(_MAX_WORD), nullable=False, server_default="files")
        )
        publications.add_column(
            sa.Column("change_set", sa.String(_MAX_ID), nullable=False, server_default="")
        )
        publications.add_column(sa.Column("actor", sa.Text, nullable=False, server_default=""))
    with op.batch_alter_table("publications") as publications:
        for name in ("source", "change_set", "actor"):
            publications.alter_column(name, server_default=None)
    _create_objects()
    _create_changes()
    _chain_audit()


def _create_objects() -> None:
    op.create_table(
        "object_versions",
        sa.Column("kind", sa.String(_MAX_WORD), primary_key=True),
        sa.Column("id", sa.String(_MAX_ID), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("change_set", sa.String(_MAX_ID), nullable=False),
    )
    op.create_table(
        "object_spans",
        sa.Column("kind", sa.String(_MAX_WORD), primary_key=True),
        sa.Column("id", sa.String(_MAX_ID), primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_object_spans_until", "object_spans", ["until"])


def _create_changes() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "change_sets",
        sa.Column("row", row_id, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(_MAX_ID), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("base", sa.String(_MAX_ID), nullable=False),
        sa.Column("status", sa.String(_MAX_WORD), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.String(_MAX_ID), nullable=False),
    )
    change_set = sa.ForeignKey("change_sets.id")
    op.create_table(
        "change_items",
        sa.Column("change_set", sa.String(_MAX_ID), change_set, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(_MAX_WORD), nullable=False),
        sa.Column("id", sa.String(_MAX_ID), nullable=False),
        sa.Column("operation", sa.String(_MAX_WORD), nullable=False),
        sa.Column("body", sa.JSON),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("base_version", sa.Integer, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "change_approvals",
        sa.Column(
            "change_set", sa.String(_MAX_ID), sa.ForeignKey("change_sets.id"), primary_key=True
        ),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


def _chain_audit() -> None:
    """Write the trail anew, every row with its place and hash."""
    op.rename_table("audit_log", "audit_log_0001")
    log = op.create_table(
        "audit_log",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("diff", sa.JSON, nullable=False),
        sa.Column("previous_hash", sa.String(_HASH_DIGITS), nullable=False),
        sa.Column("hash", sa.String(_HASH_DIGITS), nullable=False),
    )
    written = sa.text("SELECT at_ms, actor, verb, subject, detail FROM audit_log_0001 ORDER BY id")
    previous_hash = "0" * _HASH_DIGITS
    chained = []
    for sequence, row in enumerate(op.get_bind().execute(written).mappings(), 1):
        content = [sequence, *row.values(), {}, previous_hash]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        digest = sha256(canonical.encode("ascii")).hexdigest()
        chained.append(
            {
                **row,
                "sequence": sequence,
                "diff": {},
                "previous_hash": previous_hash,
                "hash": digest,
            }
        )
        previous_hash = digest
    if chained:
        op.bulk_insert(log, chained)
    op.drop_table("audit_log_0001")


def downgrade() -> None:
    """Drop what was added; the trail keeps what it said before it was chained."""
    for name in ("change_approvals", "change_items", "change_sets", "object_spans"):
        op.drop_table(name)
    op.drop_table("object_versions")
    with op.batch_alter_table("publications") as publications:
        for name in ("source", "change_set", "actor"):
            publications.drop_column(name)
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.rename_table("audit_log", "audit_log_0002")
    op.create_table(
        "audit_log",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO audit_log (at_ms, actor, verb, subject, detail)"
        " SELECT at_ms, actor, verb, subject, detail FROM audit_log_0002 ORDER BY sequence"
    )
    op.drop_table("audit_log_0002")
