"""State that a profile would have if some slots had been kept from the beginning.

It is recomputed from all that the log has of a customer, by the same compiled loops, in the order
in which it was applied: what was imported first, then by the version of the profile that each entry
led to. What was kept under a former id is merged in where the alias was made.

Polars is heavy; an API process imports nothing of this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nba.domain.customer import ALIAS_SOURCE
from nba.features.aggregates import DECISION, AggregateFeature, InteractionFeature, slots_of
from nba.features.cells import Batch
from nba.features.feature_set import FeatureSet
from nba.features.offline_events import Arrivals
from nba.features.offline_frames import CUSTOMER, milliseconds
from nba.features.offline_story import Applier, Share

_EVENTS_PER_CALL = 256
_ORDERED = ("customer_id", "version", "received_at")


def moving(features: FeatureSet, slots: Collection[str]) -> FeatureSet:
    """Return just the features that need some of these slots, with the events they look at."""
    kept = []
    for item in features.definitions:
        aggregate: AggregateFeature | None = None
        if isinstance(item, InteractionFeature) and item.of != DECISION:
            aggregate = item.aggregate()
        elif isinstance(item, AggregateFeature):
            aggregate = item
        if aggregate is not None and any(slot.key in slots for slot in slots_of(aggregate)):
            kept.append(item)
    return FeatureSet(kept, features.events.values())


def event_names(features: FeatureSet) -> tuple[str, ...]:
    """Return the names of the events that move any slot."""
    named = {
        item.event_name if isinstance(item, InteractionFeature) else item.event
        for item in features.definitions
        if isinstance(item, AggregateFeature | InteractionFeature)
    }
    return tuple(sorted(named - {""}))


@dataclass(frozen=True, slots=True)
class _Merge:
    """A former id taken over, and when."""

    received_ms: int
    former: str


class Rebuilt:
    """Some customers' state, recomputed.

    Parameters
    ----------
    features
        What is kept, from :func:`moving`.
    events
        Rows of the log's ``events`` of everybody concerned, former ids among them, each once.
    updates
        Rows of the log's ``updates`` whose source is an alias, likewise.
    versions
        The version of each customer's profile to which what is logged counts; of whoever is not
        named everything does. What was imported has version 0 and always counts.

    """

    def __init__(
        self,
        features: FeatureSet,
        events: pl.DataFrame,
        updates: pl.DataFrame,
        versions: Mapping[str, int],
    ) -> None:
        self._features = features
        self._applier = Applier(features)
        events, merges = _in_order(events, updates, versions)
        self._merges = merges
        stretches = events["customer_id"].unique(maintain_order=True)
        self._numbers = {name: number for number, name in enumerate(stretches)}
        numbered = stretches.to_frame().with_columns(
            pl.Series(CUSTOMER, range(len(stretches)), dtype=pl.Int64)
        )
        self._arrivals = Arrivals.of(features, events, numbered)
        beyond = int(self._arrivals.begins[-1])
        self._share = Share(0, self._arrivals.batch(0, beyond))

    def state(self, customer_id: str) -> dict[str, bytes]:
        """Return each slot's state by its key."""
        return self._features.slots(self._profile(customer_id, frozenset()))

    def _profile(self, customer_id: str, successors: frozenset[str]) -> bytes | None:
        """Return a profile of the moved slots; an alias that closes a circle counts nothing."""
        mine = successors | {customer_id}
        profile = self._applied(None, _stretch(customer_id, 0))
        for count, merge in enumerate(self._merges.get(customer_id, ()), start=1):
            if merge.former not in mine:
                former = self._profile(merge.former, mine)
                profile = self._features.merge(profile, former, at_ms=merge.received_ms)
            profile = self._applied(profile, _stretch(customer_id, count))
        return profile

    def _applied(self, profile: bytes | None, stretch: str) -> bytes | None:
        """Return a profile with one stretch of events between merges applied."""
        number = self._numbers.get(stretch)
        if number is None:
            return profile
        first, beyond = self._arrivals.begins[number : number + 2].tolist()
        for part in _parts(self._share, first, beyond):
            profile = self._applier.apply(profile, part)
        return profile


def _stretch(customer_id: str, merges: int) -> str:
    """Return what a customer's events after so many merges go by."""
    return f"{customer_id}\x00{merges}"


def former_ids(updates: pl.DataFrame, customers: Iterable[str]) -> set[str]:
    """Return everybody that some customers took over, however indirectly."""
    former: dict[str, list[str]] = {}
    for customer, source in updates.select("customer_id", "source").iter_rows():
        former.setdefault(customer, []).append(source.removeprefix(ALIAS_SOURCE))
    found: set[str] = set()
    ahead = list(customers)
    while ahead:
        for name in former.get(ahead.pop(), ()):
            if name not in found:
                found.add(name)
                ahead.append(name)
    return found


def _parts(share: Share, first: int, beyond: int) -> Iterator[Batch]:
    for at in range(first, beyond, _EVENTS_PER_CALL):
        yield share.part(at, min(at + _EVENTS_PER_CALL, beyond))


def _in_order(
    events: pl.DataFrame, updates: pl.DataFrame, versions: Mapping[str, int]
) -> tuple[pl.DataFrame, Mapping[str, Sequence[_Merge]]]:
    """Return events that count, by stretches between merges, and the merges.

    Each is received no earlier than what was applied before it: clocks of several processes differ
    by a little, the version of the profile does not.
    """
    limits = pl.DataFrame(
        {"customer_id": list(versions), "limit": list(versions.values())},
        schema={"customer_id": pl.String(), "limit": pl.Int64()},
    )
    rows = pl.concat(
        [
            events.with_columns(pl.lit(None, pl.String()).alias("source")),
            updates.select("customer_id", "received_at", "source", "version"),
        ],
        how="diagonal_relaxed",
    )
    rows = rows.with_columns(pl.col("version").fill_null(0), pl.col("received_at").alias("clock"))
    rows = rows.join(limits, on="customer_id", how="left", maintain_order="left")
    rows = rows.filter(pl.col("limit").is_null() | (pl.col("version") <= pl.col("limit")))
    rows = rows.sort(_ORDERED, maintain_order=True).with_columns(
        pl.col("received_at").cum_max().over("customer_id"),
        # Whatever has a version was applied; an import may name a message twice.
        pl.when(pl.col("version") == 0).then("message_id").alias("message_id"),
    )
    is_merge = pl.col("source").is_not_null()
    rows = rows.with_columns(is_merge.cast(pl.Int64).cum_sum().over("customer_id").alias("merges"))
    aliases = rows.filter(is_merge)
    merges: dict[str, list[_Merge]] = {}
    received_ms = milliseconds(aliases, "clock", "updates").tolist()
    for customer, source, at_ms in zip(
        aliases["customer_id"], aliases["source"], received_ms, strict=True
    ):
        former = source.removeprefix(ALIAS_SOURCE)
        merges.setdefault(customer, []).append(_Merge(at_ms, former))
    name = pl.concat_str("customer_id", pl.lit("\x00"), pl.col("merges").cast(pl.String))
    events = rows.filter(~is_merge).with_columns(name.alias("customer_id"))
    return events.drop("source", "clock", "limit", "merges"), merges
