"""The default learner: an online logistic regression, and forests fitted to what it misses.

Three parts, each an estimate of an action's logit:

1. :class:`~nba.bandits.OnlineLogistic` learns from every observation at once, from a prior that
   believes the propensity model.
2. Now and then a small forest is fitted per action to all that is remembered of it, boosted from
   the online logit *as it was before it learned the label*, so that it learns only what the online
   part missed, and nothing twice. Refits come when the number of observations has grown by a
   factor, so their whole cost stays proportional to the observations; one action is fitted with
   each observation from there on, so that no pause is longer than one forest takes.
3. An online regression on [1, online logit, correction] decides how much to believe the forest,
   from labels that neither has seen.

Old observations fade by ``forgetting``. When what is observed suddenly fits what was expected far
worse than before (:class:`~nba.bandits.change.ChangeDetector`), most of what was learned is given
up at once: posteriors go halfway back to the prior, all but the latest 100 observations and the
forests are forgotten, and a refit comes soon.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.bound_hybrid import BoundHybrid
from nba.bandits.change import SHRUNK_TO, ChangeDetector
from nba.bandits.hybrid_record import FORMAT, HybridRecord, read_record
from nba.bandits.learner import Resolved
from nba.bandits.logistic import OnlineLogistic
from nba.bandits.memory import Memory, Remembered
from nba.bandits.settings import BanditSettings
from nba.bandits.stacking import Stacker
from nba.bandits.trees import BoundForests, CorrectionForest, ForestTable
from nba.errors import CorruptRecordError

KEPT_AT_CHANGE = 100
"""Latest observations that are still believed after the world has changed."""

LEAST_REFIT = 60
"""Observations before the first refit, at the least."""

REFIT_PER_ACTION = 15
"""Observations before the first refit for each action seen."""

LEAST_ROWS = 20
"""Observations of an action that a forest needs; the settings say how many of each outcome."""

LEAST_GROWTH = 1.1
"""Times as many observations of an action as at its last fit, for another to be worth its cost."""


class CorrectionFitter(Protocol):
    """Fits a forest to what an online logit missed."""

    def __call__(self, rows: Remembered) -> CorrectionForest:
        """Return a forest whose value, added to the offsets, fits the labels better."""
        ...


class HybridLearner:
    """Learns one value function per action, an observation at a time.

    The same observations in the same order give the same bytes, refits included, as long as they
    happen at the same observations: :meth:`refit_if_due` after each is what makes it so.

    Parameters
    ----------
    settings
        How it learns.
    fitter
        Fits the forests; without one, or where the settings want none, the online part is all.

    """

    def __init__(self, settings: BanditSettings, fitter: CorrectionFitter | None = None) -> None:
        self.settings = settings
        self.online = OnlineLogistic(settings)
        self.stacker = Stacker()
        self.detector = ChangeDetector(settings.change_threshold)
        self.refits = 0
        self._forests: Mapping[str, CorrectionForest] = {}
        self._table: ForestTable | None = None
        self._fitter = fitter if settings.forests else None
        self._memory = Memory(1 + len(settings.features), settings.memory_rows)
        self._recent: deque[str] = deque(maxlen=KEPT_AT_CHANGE)
        self._next_refit = 0
        self._since = 0
        self._refitted_at = 0
        self._waiting: deque[str] = deque()
        self._rows: dict[str, tuple[int, int]] = {}  # of each action: now, and when last fitted

    @property
    def updates(self) -> int:
        """How many observations it has learned from."""
        return self.online.updates

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action registered, in slot order."""
        return self.online.actions

    def count(self, action_id: str) -> float:
        """Return how much an action was observed, less what was forgotten."""
        return self.online.count(action_id)

    @property
    def forests(self) -> Mapping[str, CorrectionForest]:
        """Forests of the actions that have one; :attr:`refits` says how often they changed."""
        return self._forests

    @property
    def alarms(self) -> int:
        """How often it noticed that the world had changed."""
        return self.detector.alarms

    def update(
        self,
        action_id: str,
        model_logit: float,
        z: ArrayLike,
        label: float,
        weight: float = 1.0,
    ) -> None:
        """Learn from one observation; arguments and errors are those of :class:`OnlineLogistic`."""
        given = np.asarray(z, dtype=np.float64)[None]
        rows = self.online.observations([action_id], [model_logit], given, [label], [weight])
        features = rows.z[0]
        offset, _ = self.online.predict(action_id, model_logit, features)
        self._judge(action_id, offset, model_logit, features, label, weight)
        if self._fitter is not None:
            row = np.concatenate([rows.model_logits, features, [offset, label, weight]])
            self._memory.add(action_id, row)
            now, fitted = self._rows.get(action_id, (0, 0))
            self._rows[action_id] = now + 1, fitted
        self._recent.append(action_id)
        self.online.learn(rows)

    def _judge(
        self,
        action_id: str,
        offset: float,
        model_logit: float,
        z: NDArray[np.float64],
        label: float,
        weight: float,
    ) -> None:
        """Let the stacker learn, and the detector compare, what was estimated before the label."""
        expected = offset
        forest = self._forests.get(action_id)
        if forest is not None:
            correction = forest.value(model_logit, z)
            expected = self.stacker.combine_one(offset, correction)
            self.stacker.learn(offset, correction, label, weight)
        if not self.settings.change_threshold:
            return
        chance = 1.0 / (1.0 + math.exp(-min(max(expected, -30.0), 30.0)))
        if self.detector.observe(chance, label):
            self.forget()

    def learn(self, resolved: Resolved) -> None:
        """Learn whether the desired outcome came; see :class:`nba.bandits.Learner`."""
        self.update(resolved.action, resolved.model_logit, resolved.z, resolved.label)

    def expected_logit(self, action_id: str, model_logit: float, z: ArrayLike) -> float:
        """Return an action's logit as it is corrected now."""
        if action_id not in self._forests:
            return self.online.predict(action_id, model_logit, np.asarray(z))[0]
        return float(self.bind([action_id]).logits(np.array([model_logit]), z)[0])

    def ensure(self, actions: Mapping[str, Sequence[str]]) -> None:
        """Register actions at the prior; their groups make no difference here."""
        self.online.ensure(actions)

    def start(self, action_id: str, kin: Sequence[str], groups: Sequence[str] = ()) -> bool:  # noqa: ARG002 - part of the protocol
        """Register an action where its kin have got to; see :meth:`OnlineLogistic.start`."""
        return self.online.start(action_id, kin)

    def restart(self, kin: Mapping[str, Sequence[str]]) -> None:
        """Start known actions again where the kin of each have got to."""
        for action_id, known in kin.items():
            self.online.inherit(action_id, known)

    def reset(self, action_ids: Collection[str]) -> None:
        """Forget everything about some actions: back to the prior, without forests or memory."""
        self.online.forget(action_ids)
        self._memory.drop(action_ids)
        self._waiting = deque(name for name in self._waiting if name not in action_ids)
        for action_id in action_ids:
            self._rows.pop(action_id, None)
        if any(name in self._forests for name in action_ids):
            kept = {n: forest for n, forest in self._forests.items() if n not in action_ids}
            self._take(kept)

    def forget(self) -> None:
        """Give up most of what was learned, as after a change of the world."""
        self.online.widen(SHRUNK_TO)
        self._take({})
        self.stacker = Stacker()
        kept = Counter(self._recent)
        self._memory.keep(kept)
        self._rows = {name: (count, 0) for name, count in kept.items()}
        self._waiting.clear()
        self._since = self.updates
        self._next_refit = 0

    @property
    def refit_due(self) -> bool:
        """Whether forests are to be fitted anew: enough has been observed, or some wait for it."""
        return self._fitter is not None and (bool(self._waiting) or self._overdue >= 0)

    @property
    def _overdue(self) -> int:
        """How many observations ago the next round of refits was due; below 0 before it is."""
        first = max(LEAST_REFIT, REFIT_PER_ACTION * len(self.online.actions))
        return self.updates - self._since - (self._next_refit or first)

    def refit(self) -> None:
        """Fit forests anew to what is remembered, as many as observations came since they could be.

        So after every observation that is one, which takes five to some tens of milliseconds, and
        after many it is all that are due. Called before any is due, it fits all. An action is left
        out of a round where hardly anything was observed of it since its last fit.
        """
        if self._fitter is None:
            return
        allowed = max(1, self.updates - self._refitted_at)
        if not self._waiting:
            allowed = self._overdue + 1 if self._overdue >= 0 else len(self.online.actions)
            self._begin_round()
        self._refitted_at = self.updates
        fitted: dict[str, CorrectionForest] = {}
        while self._waiting and len(fitted) < allowed:
            action_id = self._waiting.popleft()
            rows = self._memory.of(action_id)
            good = float(rows.labels.sum())
            fewer = min(good, len(rows) - good)
            if len(rows) >= LEAST_ROWS and fewer >= self.settings.forest_outcomes:
                fitted[action_id] = self._fitter(rows)
                now, _ = self._rows[action_id]
                self._rows[action_id] = now, now
        if fitted:
            self._take({**self._forests, **fitted})

    def _begin_round(self) -> None:
        """Let every action wait of which enough was observed since it was fitted last."""
        for action_id in self.online.actions:
            now, fitted = self._rows.get(action_id, (0, 0))
            if now >= max(LEAST_ROWS, fitted * LEAST_GROWTH):
                self._waiting.append(action_id)
        seen = self.updates - self._since
        self._next_refit = max(seen + 1, math.ceil(seen * self.settings.refit_growth))

    def refit_if_due(self) -> bool:
        """Fit forests anew where that is due; return whether it was."""
        if not self.refit_due:
            return False
        self.refit()
        return True

    def _take(self, forests: Mapping[str, CorrectionForest]) -> None:
        self._hold(forests)
        self.refits += 1

    def _hold(self, forests: Mapping[str, CorrectionForest]) -> None:
        self._forests, self._table = forests, None

    def _laid_out(self) -> ForestTable:
        """Return the forests laid out for prediction; once for all that is bound."""
        if self._table is None:
            self._table = ForestTable(self._forests)
        return self._table

    def bind(self, action_ids: Sequence[str]) -> BoundHybrid:
        """Return what is known now about candidates; later updates do not reach it."""
        forests = BoundForests(self._laid_out(), action_ids)
        return BoundHybrid(self.online.bind(action_ids), forests, self.stacker.copy())

    def rebind(self, bound: BoundHybrid, index: int, action_id: str) -> None:
        """Bring a bound copy of one's own up to date at one candidate, after it was observed.

        It does not have forests fitted since it was bound.
        """
        bound.refresh(self.online, index, action_id, self.stacker)

    def to_bytes(self, *, forests: bool = True, memory: bool = True) -> bytes:
        """Return the state; :meth:`from_bytes` gives back its equal, to the last bit.

        Without ``memory`` it decides the same, but the next refit would know nothing of what came
        before; see :meth:`remember`. Without ``forests`` too it stays small; they change seldom,
        and are kept apart by :meth:`forests_to_bytes`.
        """
        detector = self.detector
        record = HybridRecord(
            format=FORMAT,
            online=self.online.to_bytes(),
            stacker=self.stacker.to_parts(),
            detector=(detector.errors.astype("<f8").tobytes(), detector.seen, detector.alarms),
            refits=self.refits,
            forests=self.forests_to_bytes() if forests else None,
            recent=list(self._recent),
            next_refit=self._next_refit,
            since=self._since,
            refitted_at=self._refitted_at,
            waiting=list(self._waiting),
            rows=self._rows,
            memory=self._memory.to_parts() if memory else None,
        )
        return msgspec.msgpack.encode(record)

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        settings: BanditSettings | None = None,
        fitter: CorrectionFitter | None = None,
    ) -> HybridLearner:
        """Read a state back; arguments and errors are those of :meth:`OnlineLogistic.from_bytes`.

        A state of :meth:`OnlineLogistic.to_bytes` is read too: it has no forests yet.
        """
        record = read_record(data)
        online = OnlineLogistic.from_bytes(data if record is None else record.online, settings)
        learner = cls(online.settings, fitter)
        learner.online = online
        if record is None:
            return learner
        learner.stacker = Stacker.from_parts(record.stacker)
        errors, seen, alarms = record.detector
        learner.detector.restore(errors, seen, alarms)
        if record.forests is not None:
            learner.take_forests(record.forests)
        learner.refits = record.refits
        learner._recent.extend(record.recent)
        learner._next_refit, learner._since = record.next_refit, record.since
        learner._refitted_at, learner._rows = record.refitted_at, record.rows
        learner._waiting.extend(record.waiting)
        learner._memory.restore(record.memory or {})
        return learner

    def forests_to_bytes(self) -> bytes:
        """Return the forests alone; :meth:`take_forests` takes them back."""
        parts = {name: forest.to_parts() for name, forest in self._forests.items()}
        return msgspec.msgpack.encode(parts)

    def take_forests(self, data: bytes) -> None:
        """Take forests over; :class:`CorruptRecordError` where the bytes are none."""
        try:
            parts = msgspec.msgpack.decode(data, type=dict[str, list[bytes]])
        except msgspec.MsgspecError as error:
            raise CorruptRecordError(f"the bandit's forests cannot be read: {error}") from error
        inputs = 1 + len(self.settings.features)
        forests = {name: CorrectionForest.from_parts(part) for name, part in parts.items()}
        for name, forest in forests.items():
            if forest.feature.max(initial=0) >= inputs:
                found = f"the forest of {name!r} asks for more than {inputs} inputs"
                raise CorruptRecordError(found)
        self._hold(forests)

    def share_forests(self, other: HybridLearner) -> None:
        """Use the forests that another learner has, without copying them."""
        self._forests, self._table = other._forests, other._laid_out()

    def remember(self, other: HybridLearner) -> None:
        """Take over what another one remembers, such as one taught again from the log."""
        self._memory = other._memory
        known = {action_id: (now, 0) for action_id, (now, _) in other._rows.items()}
        self._rows = {**known, **self._rows}
