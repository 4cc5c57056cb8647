"""What the bandit has learned, as snapshots in the control store.

A snapshot is published every few seconds and stays small; forests change seldom and are snapshots
of their own, under a key of their own, that later ones name by number. What a learner remembers of
its observations is in neither: it is taught again from the log.

Of contents there is one more posterior each, of what a content changes about its action's own
logit; so there is of goals, and of each action the mean amount that a desired outcome brought. They
are few, so they are in every snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from nba.bandits import (
    BanditSettings,
    CorrectionFitter,
    Learner,
    OnlineLogistic,
    build_learner,
    read_learner,
)
from nba.bandits.amounts import AmountMeans
from nba.catalog.store import ControlStore, Snapshot
from nba.decision.learned_ranks import LearnedRanks, RankCount
from nba.domain.clock import Clock
from nba.errors import ConflictError, CorruptRecordError, NotFoundError
from nba.ledger.positions import NOWHERE

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """From where on a state learned, so that it can be learned again.

    It was ``born`` at a position of the ledger (an ordinal), and learns all that was resolved after
    it. Of what was resolved before, it learned what was decided since its models were trained, but
    nothing before ``position``, nor of what never was in the ledger, which comes before all that
    was, anything before ``at_us``, in microseconds since the epoch.
    """

    born: int = NOWHERE
    position: int = NOWHERE
    at_us: int = 0


EVERYTHING = Origin()
"""The origin of a state that learns all there is."""


class _Packed(msgspec.Struct, forbid_unknown_fields=True):
    """A snapshot; ``forests`` is the number of the one that holds them, 0 where there are none.

    ``contents``, ``goals``, ``amounts`` and ``ranks`` are empty in snapshots made before they were
    learned.
    """

    format: int
    forests: int
    state: bytes
    contents: bytes = b""
    origin: Origin = EVERYTHING
    goals: bytes = b""
    amounts: bytes = b""
    ranks: list[RankCount] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Learned:
    """What the bandit has learned: of actions, and of what stands beside their desired outcomes.

    The input of ``contents`` is their action's own learned logit, so one that nobody has seen
    corrects nothing. That of ``goals``, which are known by :func:`~nba.decision.goals.goal_key`, is
    the logit of their base rate. ``amounts`` are what desired outcomes bring. ``ranks`` says with
    which position effects all that was learned.
    """

    actions: Learner
    contents: OnlineLogistic
    goals: OnlineLogistic
    amounts: AmountMeans
    origin: Origin = EVERYTHING
    ranks: LearnedRanks = field(default_factory=LearnedRanks)

    @classmethod
    def nothing(
        cls,
        settings: BanditSettings,
        fitter: CorrectionFitter | None = None,
        origin: Origin = EVERYTHING,
    ) -> Learned:
        """Return a state that has seen nothing, and is going to learn from an origin on."""
        return cls(
            build_learner(settings, fitter),
            OnlineLogistic(settings),
            OnlineLogistic(settings),
            AmountMeans(forgetting=settings.forgetting),
            origin,
        )

    @property
    def updates(self) -> int:
        """How many resolved choices it has learned from."""
        return self.actions.updates


class SnapshotWriter:
    """Saves what is learned; forests only where they have changed. For one thread at a time.

    Numbers of snapshots are milliseconds since the epoch, and rise; ``sequence`` is the last one
    known.
    """

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self.sequence = 0
        self._forests: tuple[str, int, int] = "", 0, 0

    def pass_by(self, snapshot: Snapshot) -> None:
        """Let what is saved from now on have higher numbers than a snapshot, readable or not."""
        self.sequence = max(self.sequence, snapshot.sequence)

    def continue_from(self, snapshot: Snapshot, learned: Learned, forests: int) -> None:
        """Note what is saved already: a snapshot that was opened, and the number of its forests."""
        self.pass_by(snapshot)
        self._forests = snapshot.key, learned.actions.refits, forests

    def save(self, key: str, learned: Learned, positions: Mapping[str, str]) -> int:
        """Save a state that has come as far as ``positions``; return the snapshot's number."""
        learner = learned.actions
        saved, refits, number = self._forests
        if (saved, refits) != (key, learner.refits):
            number = 0
            if learner.forests:
                number = self._save(forests_key(key), learner.forests_to_bytes(), {})
            self._forests = key, learner.refits, number
        return self._save(key, pack_learned(learned, number), positions)

    def _save(self, key: str, state: bytes, positions: Mapping[str, str]) -> int:
        at_ms = self._clock()
        self.sequence = max(at_ms, self.sequence + 1)
        while True:
            try:
                self._control.save_snapshot(self.sequence, key, state, positions, at_ms)
            except ConflictError:  # another process saved one in this very millisecond
                self.sequence += 1
            else:
                return self.sequence


def forests_key(key: str) -> str:
    """Return the key that forests of a state are kept under."""
    return f"{key}.forests"


def pack_learned(learned: Learned, forests: int) -> bytes:
    """Return a snapshot's bytes; ``forests`` is the number of the one that holds its forests."""
    state = learned.actions.to_bytes(forests=False, memory=False)
    beside = learned.goals.to_bytes(), learned.amounts.to_bytes(), learned.ranks.counts
    contents = learned.contents.to_bytes()
    return msgspec.msgpack.encode(
        _Packed(FORMAT, forests, state, contents, learned.origin, *beside)
    )


class LearnedStates:
    """Reads snapshots; forests that the last one had too are taken from it. For one thread."""

    def __init__(self, control: ControlStore, fitter: CorrectionFitter | None = None) -> None:
        self._control = control
        self._fitter = fitter
        self._last: tuple[int, Learner] | None = None

    def open(
        self, snapshot: Snapshot, settings: BanditSettings | None = None
    ) -> tuple[Learned, int]:
        """Return what a snapshot holds, and the number of the one that holds its forests.

        Raises :class:`CorruptRecordError` where it cannot be read, :class:`NotFoundError` where its
        forests are not kept, and :class:`~nba.errors.ConflictError` where it was learned on other
        features than ``settings`` name.
        """
        try:
            packed = msgspec.msgpack.decode(snapshot.state, type=_Packed)
        except msgspec.MsgspecError as error:
            raise CorruptRecordError(
                f"snapshot {snapshot.sequence} cannot be read: {error}; `nba bandit rebuild` makes "
                "another from the log"
            ) from error
        if packed.format != FORMAT:
            raise CorruptRecordError(
                f"snapshot {snapshot.sequence} has format {packed.format}; this version reads "
                f"{FORMAT}; `nba bandit rebuild` makes another from the log"
            )
        learner = read_learner(packed.state, settings, self._fitter)
        if packed.forests:
            self._give_forests(learner, packed.forests)
        contents, goals = (
            OnlineLogistic.from_bytes(data, settings) if data else OnlineLogistic(learner.settings)
            for data in (packed.contents, packed.goals)
        )
        amounts = AmountMeans(forgetting=learner.settings.forgetting)
        if packed.amounts:
            amounts = AmountMeans.from_bytes(packed.amounts, forgetting=learner.settings.forgetting)
        known = contents, goals, amounts, packed.origin, LearnedRanks(packed.ranks)
        return Learned(learner, *known), packed.forests

    def _give_forests(self, learner: Learner, number: int) -> None:
        last = self._last
        if last is not None and last[0] == number:
            learner.share_forests(last[1])
        else:
            held = self._control.snapshot(number)
            if held is None:
                raise NotFoundError(f"bandit snapshot {number} with the forests is not kept")
            learner.take_forests(held.state)
        self._last = number, learner
