"""One customer's story: what was sent about them, in the order in which it arrived.

Imported for :mod:`nba.features.offline` alone, since polars is heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.domain.customer import ALIAS_SOURCE, AttributeValue, ProfileUpdate
from nba.domain.history import EMPTY_HISTORY, MAX_CONTACTS, ContactHistory
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError
from nba.features.cells import Batch, apply_batch
from nba.features.definitions import AttributeFeature
from nba.features.feature_set import FeatureSet
from nba.features.offline_events import Arrivals
from nba.features.offline_frames import Contacts, Updates
from nba.features.profile import cut
from nba.features.values import BadValueError, ValueSpec

_EVENTS_PER_CALL = 256
_Attributes = dict[str, AttributeValue | None]
_decoder = msgspec.json.Decoder(dict[str, AttributeValue | None])


@dataclass(frozen=True, slots=True)
class Sent:
    """Everything that was sent about some customers, told apart by their ``numbers``."""

    features: FeatureSet
    numbers: Mapping[str, int]
    arrivals: Arrivals
    updates: Updates
    contacts: Contacts

    def share(self, first: int, beyond: int) -> Share:
        """Return the moves of all events of customers ``first`` to before ``beyond``."""
        low, high = int(self.arrivals.begins[first]), int(self.arrivals.begins[beyond])
        return Share(low, self.arrivals.batch(low, high))


class Share(NamedTuple):
    """The moves of some customers' events, of which the earliest is event ``first``."""

    first: int
    batch: Batch

    def part(self, low: int, high: int) -> Batch:
        """Return the moves of events ``low`` to before ``high``."""
        low, high = low - self.first, high - self.first
        batch = self.batch
        begins = batch.begins[low : high + 1]
        moves = slice(begins[0], begins[-1])
        return Batch(
            begins - begins[0],
            batch.slots[moves],
            batch.keys[moves],
            batch.amounts[moves],
            batch.at_seconds[low:high],
            batch.now_seconds[low:high],
        )


class Applier:
    """Changes profiles as the online store does, by the same loops."""

    def __init__(self, features: FeatureSet) -> None:
        layout = features.layout
        self._features = features
        self._slots = layout.specs()
        self._fixed_bytes = 4 * (layout.n_numbers + layout.n_times)
        self._empty = features.apply_moves(None, [])
        self._specs: dict[str, ValueSpec] = {
            item.name: ValueSpec.of(item)
            for item in features.definitions
            if isinstance(item, AttributeFeature)
        }

    def apply(self, profile: bytes | None, batch: Batch) -> bytes:
        """Return a profile with events applied."""
        before = self._empty if profile is None else profile
        changed = apply_batch(before, self._fixed_bytes, self._slots, batch)
        if not len(changed):
            raise cut(before)
        packed: bytes = changed.tobytes()
        return packed

    def update(self, profile: bytes | None, attributes: str | None, received_ms: int) -> bytes:
        """Return a profile with attributes set, given as JSON; what does not fit is missing."""
        given: _Attributes = {}
        try:
            said = {} if attributes is None else _decoder.decode(attributes)
        except msgspec.MsgspecError as error:
            raise CorruptRecordError(f"attributes of an update cannot be read: {error}") from error
        for name in said.keys() & self._specs.keys():
            try:
                self._specs[name].encode_all(said[name])
                given[name] = said[name]
            except BadValueError:
                given[name] = None
        update = ProfileUpdate(customer_id=CustomerId(""), attributes=given)
        return self._features.update(profile, update, at_ms=received_ms)[0]


class Story:
    """One customer, told up to a moment that only moves on; ``profile`` is how they stand then."""

    def __init__(
        self,
        sent: Sent,
        applier: Applier,
        customer: int,
        share: Share,
        successors: frozenset[int] = frozenset(),
    ) -> None:
        self.profile: bytes | None = None
        self._sent = sent
        self._applier = applier
        self._customer = customer
        self._share = share
        self._successors = successors | {customer}
        self._event, self._last_event = _ends(sent.arrivals.begins, customer)
        self._update, self._last_update = _ends(sent.updates.begins, customer)
        self._taken_over = EMPTY_HISTORY
        starts = (*sent.arrivals.starts.get(customer, ()), *sent.updates.starts.get(customer, ()))
        self._starts = sorted(starts, reverse=True)

    def advance(self, until_ms: int) -> None:
        """Take in what arrived up to a moment, itself included."""
        while self._starts and self._starts[-1] <= until_ms:
            self._take(self._starts.pop() - 1)
            self.profile = None
        self._take(until_ms)

    def _take(self, until_ms: int) -> None:
        updates = self._sent.updates
        while self._update < self._last_update and updates.received_ms[self._update] <= until_ms:
            received_ms = int(updates.received_ms[self._update])
            source = updates.sources[self._update]
            if source.startswith(ALIAS_SOURCE):
                self._take_events(received_ms)
                self._take_over(source.removeprefix(ALIAS_SOURCE), received_ms)
            else:
                said = updates.attributes[self._update]
                self.profile = self._applier.update(self.profile, said, received_ms)
            self._update += 1
        self._take_events(until_ms)

    def contacts(self, before_ms: int) -> ContactHistory:
        """Return the contacts strictly before a moment."""
        contacts = self._sent.contacts
        first, last = _ends(contacts.begins, self._customer)
        beyond = first + int(np.searchsorted(contacts.at_ms[first:last], before_ms))
        table = contacts.table[max(first, beyond - MAX_CONTACTS) : beyond]
        history = EMPTY_HISTORY
        if len(table):
            history = ContactHistory(EMPTY_HISTORY.packed + table.astype("<u4").tobytes())
        return history.united(self._taken_over) if len(self._taken_over) else history

    def _take_events(self, until_ms: int) -> None:
        received_ms = self._sent.arrivals.received_ms[self._event : self._last_event]
        beyond = self._event + int(np.searchsorted(received_ms, until_ms, side="right"))
        while self._event < beyond:
            some = min(self._event + _EVENTS_PER_CALL, beyond)
            part = self._share.part(self._event, some)
            self.profile = self._applier.apply(self.profile, part)
            self._event = some

    def _take_over(self, previous: str, received_ms: int) -> None:
        """Merge what was kept under a former id, as it stood when the alias was made."""
        number = self._sent.numbers[previous]
        if number in self._successors:
            return
        share = self._sent.share(number, number + 1)
        former = Story(self._sent, self._applier, number, share, self._successors)
        former.advance(received_ms)
        self._taken_over = self._taken_over.united(former.contacts(received_ms))
        self.profile = self._sent.features.merge(self.profile, former.profile, at_ms=received_ms)


def _ends(begins: NDArray[np.int64], customer: int) -> tuple[int, int]:
    return int(begins[customer]), int(begins[customer + 1])
