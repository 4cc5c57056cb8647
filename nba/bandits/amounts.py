"""What a desired outcome brings, by action: the mean of what was reported, shrunk to a declaration.

The declared amount counts as much as ten that were reported, and those lose a little with each new
one. So an action is worth what was declared until something else is known, and follows prices that
move. This is the posterior mean of a normal mean whose prior is as firm as ten observations; see
Gelman et al., *Bayesian Data Analysis* (3rd ed., 2013), section 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np

from nba.errors import CorruptRecordError, Fault, InputError

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

PRIOR_WEIGHT = 10.0
"""How many reported amounts the declared one counts for."""

_NUMBER = np.dtype("<f8")


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    """The state as bytes: weight and sum of each action in turn, little-endian float64."""

    format: int
    actions: list[str]
    sums: bytes


class AmountMeans:
    """Learns what desired outcomes bring, an amount at a time.

    ``forgetting`` is the factor that older amounts of an action lose with each new one.

    >>> means = AmountMeans(forgetting=1.0)
    >>> for _ in range(30):
    ...     means.observe("card", 500.0, cap=60.0)
    >>> means.mean("card", declared=20.0), means.mean("coat", declared=20.0)
    (50.0, 20.0)
    """

    def __init__(self, *, forgetting: float) -> None:
        self._forgetting = forgetting
        self._sums: dict[str, tuple[float, float]] = {}

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action an amount was reported of, in the order in which they were."""
        return tuple(self._sums)

    def count(self, action_id: str) -> float:
        """Return how many amounts were reported of an action, less what was forgotten."""
        return self._sums.get(action_id, (0.0, 0.0))[0]

    def observe(self, action_id: str, amount: float, *, cap: float) -> None:
        """Learn from an amount, cut off at ``cap`` and at its negative, all in currency.

        Raises :class:`InputError` where the amount is no number.
        """
        if math.isnan(amount):
            raise InputError([Fault("/amount", "found nan", "an amount is expected")])
        weight, total = self._sums.get(action_id, (0.0, 0.0))
        cut = min(max(amount, -cap), cap)
        self._sums[action_id] = weight * self._forgetting + 1.0, total * self._forgetting + cut

    def mean(self, action_id: str, declared: float) -> float:
        """Return what a desired outcome of an action is believed to bring, in currency.

        ``declared`` is what is believed where nothing was reported, or what is known has broken.
        """
        weight, total = self._sums.get(action_id, (0.0, 0.0))
        if weight == 0.0:
            return declared
        found = (PRIOR_WEIGHT * declared + total) / (PRIOR_WEIGHT + weight)
        return found if math.isfinite(found) else declared

    def forget(self, action_ids: Iterable[str]) -> None:
        """Forget all that was reported of some actions."""
        for action_id in action_ids:
            self._sums.pop(action_id, None)

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        sums = np.array(list(self._sums.values()), dtype=_NUMBER)
        return msgspec.msgpack.encode(_Record(FORMAT, list(self._sums), sums.tobytes()))

    @classmethod
    def from_bytes(cls, data: bytes, *, forgetting: float) -> AmountMeans:
        """Read a state back; :class:`CorruptRecordError` where the bytes are none."""
        try:
            record = msgspec.msgpack.decode(data, type=_Record)
        except msgspec.MsgspecError as error:
            raise CorruptRecordError(f"learned amounts cannot be read: {error}") from error
        if record.format != FORMAT:
            raise CorruptRecordError(
                f"learned amounts have format {record.format}; this version reads {FORMAT}"
            )
        if len(record.sums) != 2 * len(record.actions) * _NUMBER.itemsize:
            raise CorruptRecordError(
                f"learned amounts have {len(record.sums)} bytes for {len(record.actions)} actions"
            )
        sums = np.frombuffer(record.sums, dtype=_NUMBER).reshape(-1, 2).tolist()
        means = cls(forgetting=forgetting)
        pairs = zip(record.actions, sums, strict=True)
        means._sums = {action: (weight, total) for action, (weight, total) in pairs}
        return means
