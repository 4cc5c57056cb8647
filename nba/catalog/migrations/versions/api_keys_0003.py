"""Keep API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MAX_ID = 128


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(_MAX_ID), primary_key=True),
        sa.Column("name", sa.String(_MAX_ID), nullable=False, unique=True),
        sa.Column("scope", sa.String(_MAX_ID), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("only", sa.JSON, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("previous_hash", sa.LargeBinary),
        sa.Column("previous_until_ms", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("rotated_at_ms", sa.BigInteger),
        sa.Column("revoked_at_ms", sa.BigInteger),
        sa.Column("last_used_ms", sa.BigInteger),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("api_keys")
