"""Control stores that tests share, emptied between them instead of made anew."""

from __future__ import annotations

from nba.catalog.sql import SqlControlStore
from nba.catalog.tables import metadata


def empty(store: SqlControlStore) -> SqlControlStore:
    """Remove every row and return the store."""
    with store.database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return store
