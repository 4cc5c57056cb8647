"""Opening what is sealed inside JSON columns of the log, for those who recompute from it."""

from __future__ import annotations

import msgspec
import polars as pl

from nba.ledger.sealing import SEALED, Sealer


def open_json(rows: pl.DataFrame, column: str, sealer: Sealer) -> pl.DataFrame:
    """Return rows of ``events`` or ``updates`` with the sealed values of a JSON column opened.

    Raises :class:`~nba.errors.CorruptRecordError` where the key is not the one they were sealed
    with.
    """
    is_sealed = rows[column].str.contains(SEALED, literal=True).fill_null(value=False)
    if not is_sealed.any():
        return rows
    opened = [
        _opened(customer_id, text, sealer) if sealed else text
        for customer_id, text, sealed in zip(
            rows["customer_id"], rows[column], is_sealed, strict=True
        )
    ]
    return rows.with_columns(pl.Series(column, opened, pl.String))


def _opened(customer_id: str, text: str, sealer: Sealer) -> str:
    values = msgspec.json.decode(text, type=dict[str, object])
    return msgspec.json.encode(sealer.open_named(customer_id, values)).decode()
