"""The public event streams the offline figures are measured on, as events of the store.

An event frame has ``customer_id``, ``name``, ``message_id``, ``at``, ``received_at`` and a typed
column ``p_<property>`` for each property.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[2]
_DATASETS = "../shared/datasets"
_STARBUCKS_START_MS = 1_530_403_200_000
_MS_PER_HOUR = 3_600_000
_JUST_BEFORE_MS = 1


class MissingDatasetError(Exception):
    """A public dataset is not on this machine."""


def folder(name: str) -> Path:
    """Return a dataset's folder under ``NBA_DATASETS``."""
    found = Path(os.environ.get("NBA_DATASETS", ROOT / _DATASETS)) / name
    if not found.is_dir():
        raise MissingDatasetError(f"no {name} under NBA_DATASETS")
    return found


def _stream(frame: pl.DataFrame, at_ms: pl.Expr) -> pl.DataFrame:
    at = pl.from_epoch(at_ms, "ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    frame = frame.with_row_index("position").with_columns(at=at)
    return frame.select(
        "customer_id",
        "name",
        pl.format("m{}", "position").alias("message_id"),
        "at",
        pl.col("at").alias("received_at"),
        *sorted(name for name in frame.columns if name.startswith("p_")),
    )


def receipt_lines(households: int | None = None) -> pl.DataFrame:
    """Return the 1.47 million receipt lines as ``line`` events, in the order they happened."""
    source = folder("completejourney")
    lines = pl.read_parquet(source / "transactions.parquet")
    products = pl.read_csv(source / "products.csv.gz", infer_schema_length=None)
    if households is not None:
        lines = lines.filter(pl.col("household_id") <= households)
    known = products.select("product_id", "department", private=pl.col("brand") == "Private")
    joined = lines.join(known, on="product_id", how="left", maintain_order="left")
    wanted = joined.select(
        pl.col("household_id").cast(pl.String).alias("customer_id"),
        pl.lit("line").alias("name"),
        pl.col("transaction_timestamp").dt.epoch("ms").alias("at_ms"),
        (pl.int_range(pl.len()).over("basket_id") + 1).cast(pl.Float64).alias("p_line"),
        pl.col("product_id").cast(pl.String).alias("p_product"),
        pl.col("store_id").cast(pl.String).alias("p_store"),
        pl.col("department").alias("p_department"),
        pl.col("private").alias("p_private"),
        pl.col("quantity").cast(pl.Float64).alias("p_quantity"),
        pl.col("sales_value").alias("p_sales"),
        pl.col("retail_disc").alias("p_retail_discount"),
        pl.col("coupon_disc").alias("p_coupon_discount"),
    )
    return _stream(wanted, pl.col("at_ms"))


def just_before_baskets(households: int | None = None) -> pl.DataFrame:
    """Return ``customer_id`` and ``at``, a millisecond before each of the 155,848 baskets."""
    lines = pl.read_parquet(folder("completejourney") / "transactions.parquet")
    if households is not None:
        lines = lines.filter(pl.col("household_id") <= households)
    baskets = lines.unique("basket_id", keep="first", maintain_order=True)
    at = pl.col("transaction_timestamp").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return baskets.select(
        pl.col("household_id").cast(pl.String).alias("customer_id"),
        (at - pl.duration(milliseconds=_JUST_BEFORE_MS)).alias("at"),
    )


def offer_stream(people: int | None = None) -> pl.DataFrame:
    """Return the 306,534 events of the café's app, in the order they happened."""
    rows = pl.read_ndjson(
        folder("starbucks") / "transcript.jsonl.gz",
        schema={
            "person": pl.String,
            "event": pl.String,
            "time": pl.Int64,
            "value": pl.Struct(
                {
                    "offer id": pl.String,
                    "offer_id": pl.String,
                    "amount": pl.Float64,
                    "reward": pl.Float64,
                }
            ),
        },
    )
    if people is not None:
        chosen = rows["person"].unique(maintain_order=True).head(people)
        rows = rows.filter(pl.col("person").is_in(chosen.implode()))
    value = pl.col("value").struct
    wanted = rows.select(
        pl.col("person").alias("customer_id"),
        pl.col("event").str.replace(" ", "_").alias("name"),
        (_STARBUCKS_START_MS + pl.col("time") * _MS_PER_HOUR).alias("at_ms"),
        pl.coalesce(value.field("offer id"), value.field("offer_id")).alias("p_offer"),
        value.field("amount").alias("p_amount"),
        value.field("reward").alias("p_reward"),
    )
    return _stream(wanted, pl.col("at_ms"))


def send_times(stream: pl.DataFrame) -> pl.DataFrame:
    """Return ``customer_id`` and ``at`` of every offer that was sent, once each."""
    sent = stream.filter(pl.col("name") == "offer_received")
    return sent.select("customer_id", "at").unique(maintain_order=True)
