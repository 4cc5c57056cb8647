"""The replay: every customer's story told in turn, and a row read wherever one is asked.

Imported for :mod:`nba.features.offline` alone, since polars is heavy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.customer import Scalar
from nba.errors import Fault, InputError
from nba.features.definitions import ContextFeature, FeatureType
from nba.features.feature_set import FeatureSet
from nba.features.offline import PREFIX
from nba.features.offline_events import Arrivals
from nba.features.offline_frames import (
    CUSTOMER,
    Contacts,
    Frame,
    Updates,
    milliseconds,
    with_former_ids,
)
from nba.features.offline_story import Applier, Sent, Story

_EVENTS_AT_ONCE = 100_000
_NOTHING_SENT = pl.LazyFrame(
    schema={
        **dict.fromkeys(("customer_id", "name", "source", "attributes", "action"), pl.String()),
        **dict.fromkeys(("at", "received_at"), pl.Int64()),
        "placement": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class _Questions:
    """Moments asked about, by customer and by the latest arrival seen.

    ``place (n,)`` is where each stands in the frame asked with, ``customer`` its number; ``begins
    (n_customers + 1,)`` says which are whose.
    """

    begins: NDArray[np.int64]
    place: NDArray[np.intp]
    at_ms: NDArray[np.int64]
    until_ms: NDArray[np.int64]

    @classmethod
    def of(cls, at: pl.DataFrame, customers: pl.DataFrame) -> _Questions:
        """Sort what is asked."""
        numbered = at.select("customer_id").join(
            customers, on="customer_id", how="left", maintain_order="left"
        )
        customer = numbered[CUSTOMER].to_numpy()
        at_ms = milliseconds(at, "at", "at")
        until_ms = at_ms
        if "received_until" in at.columns:
            until_ms = milliseconds(at, "received_until", "at")
        place = np.lexsort((until_ms, customer))
        begins = np.searchsorted(customer[place], np.arange(customers.height + 1))
        return cls(begins.astype(np.int64), place, at_ms[place], until_ms[place])


def replay(
    features: FeatureSet,
    events: Frame,
    at: pl.DataFrame,
    updates: Frame | None,
    decisions: Frame | None,
) -> pl.DataFrame:
    """Answer :func:`~nba.features.offline.point_in_time`."""
    absent = [name for name in ("customer_id", "at") if name not in at.columns]
    if absent:
        expected = "customer_id and at"
        raise InputError([Fault(f"at/{name}", "no such column", expected) for name in absent])
    told = _NOTHING_SENT if updates is None else updates
    asked = at["customer_id"].unique(maintain_order=True)
    everyone = with_former_ids(asked, told)
    questions = _Questions.of(at, everyone.head(len(asked)))
    sent = Sent(
        features,
        dict(everyone.iter_rows()),
        Arrivals.of(features, events, everyone),
        Updates.of(told, everyone),
        Contacts.of(_NOTHING_SENT if decisions is None else decisions, everyone),
    )
    rows = _read(sent, questions, _contexts(features, at))
    shown = {PREFIX + name: rows[:, i] for i, name in enumerate(features.names)}
    hidden = {PREFIX + name for name in features.hidden}
    return at.with_columns(
        _column(name, values, features.categories.get(name.removeprefix(PREFIX)))
        for name, values in shown.items()
        if name not in hidden
    )


def _read(
    sent: Sent, questions: _Questions, contexts: Sequence[Mapping[str, Scalar]]
) -> NDArray[np.float32]:
    """Return the row of each question, ``(n, n_features)``, in the order of the frame."""
    features, applier = sent.features, Applier(sent.features)
    rows = np.empty((len(questions.place), len(features.names)), dtype=np.float32)
    places, at_ms = questions.place.tolist(), questions.at_ms.tolist()
    until_ms, begins = questions.until_ms.tolist(), questions.begins.tolist()
    for first, beyond in _shares(sent.arrivals.begins, len(begins) - 1):
        share = sent.share(first, beyond)
        for customer in range(first, beyond):
            story = Story(sent, applier, customer, share)
            for i in range(begins[customer], begins[customer + 1]):
                story.advance(until_ms[i])
                view = features.read(
                    story.profile,
                    at_ms=at_ms[i],
                    context=contexts[places[i]],
                    history=story.contacts(at_ms[i]),
                )
                rows[places[i]] = view.features
    return rows


def _shares(begins: NDArray[np.int64], n_customers: int) -> Iterator[tuple[int, int]]:
    """Part customers so that not too many events are held as moves at once."""
    first = 0
    while first < n_customers:
        full = int(np.searchsorted(begins, begins[first] + _EVENTS_AT_ONCE, side="right")) - 1
        beyond = min(max(full, first + 1), n_customers)
        yield first, beyond
        first = beyond


def _contexts(features: FeatureSet, at: pl.DataFrame) -> list[Mapping[str, Scalar]]:
    """Return what each request gave, by name; a null gave nothing."""
    given = [
        pl.col(item.name).cast(pl.Boolean) if item.type is FeatureType.BOOL else pl.col(item.name)
        for item in features.definitions
        if isinstance(item, ContextFeature) and item.name in at.columns
    ]
    if not given:
        return [{}] * at.height
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in at.select(given).iter_rows(named=True)
    ]


def asked_by(features: FeatureSet, decisions: pl.DataFrame) -> pl.DataFrame:
    """Answer :func:`~nba.features.offline.asked_by`."""
    columns = [pl.col("customer_id"), pl.col("at")]
    for item in features.definitions:
        if not isinstance(item, ContextFeature) or PREFIX + item.name not in decisions.columns:
            continue
        column = pl.col(PREFIX + item.name).alias(item.name)
        if item.type is FeatureType.NUMBER:
            # A bound that float32 cannot hold is not passed by rounding.
            column = column.cast(pl.Float64).clip(item.minimum, item.maximum)
        columns.append(column)
    return decisions.select(columns)


def _column(name: str, values: NDArray[np.float32], words: Sequence[str] | None) -> pl.Series:
    if words is None:
        return pl.Series(name, values).fill_nan(None)
    codes = np.nan_to_num(values, nan=-1.0).astype(np.int64)
    return pl.Series(name, codes).replace_strict(
        range(len(words)), list(words), default=None, return_dtype=pl.String
    )
