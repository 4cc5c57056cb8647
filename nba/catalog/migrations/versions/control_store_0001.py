"""Create the control store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MAX_ID = 128


def upgrade() -> None:
    """Create all tables."""
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "plans",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("version", sa.String(_MAX_ID), nullable=False, unique=True),
        sa.Column("artifact", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "publications",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("version", sa.String(_MAX_ID), sa.ForeignKey("plans.version"), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "layouts",
        sa.Column("layout_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(_MAX_ID), nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("positions", sa.JSON, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_snapshots_key_sequence", "snapshots", ["key", "sequence"])
    op.create_table(
        "audit_log",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop all tables."""
    for name in ("audit_log", "snapshots", "layouts", "publications", "plans"):
        op.drop_table(name)
