"""What a desired outcome brings, by action: the mean of what was reported, shrunk to a declaration.

The declared amount counts as much as ten that were reported, and those lose a little with each new
one. So an action is worth what was declared until something else is known, and follows prices that
move. This is the posterior mean of a normal mean whose prior is as firm as ten observations; see
Gelman et al., *Bayesian Data Analysis* (3rd ed., 2013), section 2.5.

What is taken over from kin is how many times the declared amount they bring, since what is declared
of one may be ten times what is of another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from nba.bandits.protocols import KIN_DOUBT
from nba.errors import CorruptRecordError, Fault, InputError

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

PRIOR_WEIGHT = 10.0
"""How many reported amounts the declared one counts for."""

_NUMBER = np.dtype("<f8")


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    """The state as bytes: weight and sum of each action in turn, little-endian float64.

    So are ``starts``; without them all started at what was declared.
    """

    format: int
    actions: list[str]
    sums: bytes
    starts: bytes = b""


class _Reported(NamedTuple):
    """What was reported of an action, and how many times the declared amount it started at."""

    weight: float = 0.0
    total: float = 0.0
    start: float = 1.0


_NOTHING = _Reported()


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
        self._known: dict[str, _Reported] = {}

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action that has started, in the order in which they did."""
        return tuple(self._known)

    def count(self, action_id: str) -> float:
        """Return how many amounts were reported of an action, less what was forgotten."""
        return self._known.get(action_id, _NOTHING).weight

    def knows(self, action_id: str) -> bool:
        """Whether an action has started."""
        return action_id in self._known

    def start(self, action_id: str, kin: Mapping[str, float], *, most: float) -> bool:
        """Let an action start where its kin have got to; ``False`` where it has started already.

        Arguments are those of :meth:`inherited`.
        """
        if action_id in self._known:
            return False
        self._known[action_id] = _Reported(start=self.inherited(kin, most=most))
        return True

    def inherit(self, action_id: str, kin: Mapping[str, float], *, most: float) -> None:
        """Move where an action started to where its kin have got to; see :meth:`inherited`."""
        known = self._known.get(action_id)
        if known is not None:
            self._known[action_id] = known._replace(start=self.inherited(kin, most=most))

    def inherited(self, kin: Mapping[str, float], *, most: float) -> float:
        """Return how many times the declared amount one brings that has such kin.

        ``kin`` are their declared amounts. It is the mean of how many times theirs they bring, each
        moved back to 1 the less was reported of it, by n / (n + 50), and between ``-most`` and
        ``most``. Kin that nothing was reported of, or that are declared to bring nothing, do not
        count; without any it is 1.
        """
        shares = [
            (self.mean(name, declared) / declared - 1.0) * n / (n + KIN_DOUBT)
            for name, declared in kin.items()
            if declared > 0.0 and (n := self.count(name)) > 0.0
        ]
        if not shares:
            return 1.0
        found = 1.0 + sum(shares) / len(shares)
        return min(max(found, -most), most) if math.isfinite(found) else 1.0

    def observe(self, action_id: str, amount: float, *, cap: float) -> None:
        """Learn from an amount, cut off at ``cap`` and at its negative, all in currency.

        Raises :class:`InputError` where the amount is no number.
        """
        if math.isnan(amount):
            raise InputError([Fault("/amount", "found nan", "an amount is expected")])
        weight, total, start = self._known.get(action_id, _NOTHING)
        cut = min(max(amount, -cap), cap)
        faded = weight * self._forgetting, total * self._forgetting
        self._known[action_id] = _Reported(faded[0] + 1.0, faded[1] + cut, start)

    def mean(self, action_id: str, declared: float) -> float:
        """Return what a desired outcome of an action is believed to bring, in currency.

        ``declared`` is what is believed where it has not started, or what is known has broken.
        """
        weight, total, start = self._known.get(action_id, _NOTHING)
        prior = declared * start
        found = (PRIOR_WEIGHT * prior + total) / (PRIOR_WEIGHT + weight) if weight else prior
        return found if math.isfinite(found) else declared

    def forget(self, action_ids: Iterable[str]) -> None:
        """Put actions back to what is declared, those that have not started too."""
        for action_id in action_ids:
            self._known[action_id] = _NOTHING

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        known = np.array(list(self._known.values()), dtype=_NUMBER).reshape(-1, 3)
        sums, starts = known[:, :2].tobytes(), known[:, 2].tobytes()
        return msgspec.msgpack.encode(_Record(FORMAT, list(self._known), sums, starts))

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
        n = len(record.actions)
        if len(record.sums) != 2 * n * _NUMBER.itemsize:
            raise CorruptRecordError(
                f"learned amounts have {len(record.sums)} bytes for {n} actions"
            )
        if record.starts and len(record.starts) != n * _NUMBER.itemsize:
            raise CorruptRecordError(
                f"learned amounts have {len(record.starts)} bytes of starts for {n} actions"
            )
        sums = np.frombuffer(record.sums, dtype=_NUMBER).reshape(-1, 2).tolist()
        starts = np.frombuffer(record.starts, dtype=_NUMBER).tolist() or [1.0] * n
        means = cls(forgetting=forgetting)
        means._known = {
            action: _Reported(weight, total, start)
            for action, (weight, total), start in zip(record.actions, sums, starts, strict=True)
        }
        return means
