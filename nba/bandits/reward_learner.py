"""A learner that corrects the reward a propensity model leads one to expect, by regression."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.bagged import BaggedModel
from nba.bandits.bound_rewards import BoundRewards
from nba.bandits.cover_model import CoverModel
from nba.bandits.hybrid import CorrectionFitter
from nba.bandits.learner import Resolved
from nba.bandits.linear import LinearModel
from nba.bandits.observations import as_observations
from nba.bandits.settings import BanditSettings
from nba.bandits.trees import CorrectionForest
from nba.errors import ConflictError, CorruptRecordError, Fault, InputError

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

_BAKED = ("learner", "sharing", "ridge", "members", "reward_cap")
"""Settings that what was learned rests on; others may change from one learning to the next."""

_NUMBER = np.dtype("<f8")

_Model = LinearModel | BaggedModel | CoverModel


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["reward"]
    format: int
    settings: BanditSettings
    actions: list[str]
    groups: list[str]
    counts: bytes
    model: bytes


class _Kind(msgspec.Struct):
    kind: str = ""


class RewardLearner:
    """Learns by how much rewards differ from what the propensity model alone expects of them.

    ``settings.learner`` says which model does: a :class:`LinearModel`, a :class:`BaggedModel` of
    ``members``, or a :class:`CoverModel` of as many policies. It regresses (reward, cut at ±
    ``reward_cap``, less what was expected) / ``reward_cap`` on the situation's features, from a
    prior of 0. So an action without observations is exactly as the propensity model says, except by
    what ``sharing`` lets it have from others: ``hybrid`` and ``shared`` know it by its groups, and
    one without any by what all have in common.

    ``cover`` also learns from the candidates that were not taken: its policies choose among them by
    worth and correction, in units of ``reward_cap``, as ``psi`` is. Candidates that are not known
    are registered then, without groups until :meth:`ensure` names some. Where no candidates are
    told, the action taken was the only one.

    How sure it is of ``bagged`` corrections is the spread of its members, which is 0 where none has
    seen anything: those explore by votes. The others know the deviation of their prior.

    Where rewards fit what was expected worse than before, most of what was learned is given up; see
    :class:`LinearModel`. It has neither forests nor a memory. The same observations in the same
    order give the same bytes.

    Raises :class:`InputError` where the settings name another learner.
    """

    def __init__(self, settings: BanditSettings) -> None:
        if settings.learner == "logistic" or settings.reward_cap is None:
            expected = "linear, bagged or cover, and a reward_cap, are expected"
            raise InputError([Fault("/learner", f"found {settings.learner}", expected)])
        self.settings = settings
        self._cap = settings.reward_cap
        self._slots: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self._counts: list[float] = []
        self._model = _model_of(settings)

    @property
    def updates(self) -> int:
        """How many observations it has learned from."""
        return self._model.updates

    @property
    def alarms(self) -> int:
        """How often it noticed that rewards had changed."""
        return self._model.alarms

    @property
    def refits(self) -> int:
        """0: it has no forests."""
        return 0

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action registered, in the order in which they were."""
        return tuple(self._slots)

    @property
    def forests(self) -> Mapping[str, CorrectionForest]:
        """None: it has no forests."""
        return {}

    def count(self, action_id: str) -> float:
        """Return how much an action was observed, less what was forgotten."""
        slot = self._slots.get(action_id)
        return 0.0 if slot is None else self._counts[slot]

    def ensure(self, actions: Mapping[str, Sequence[str]]) -> None:
        """Register actions, each with its groups; those known keep what was learned.

        One that is known and comes with other groups than before has these from now on.
        """
        if self.settings.sharing == "per_action":
            actions = dict.fromkeys(actions, ())
        for group in (group for groups in actions.values() for group in groups):
            self._groups.setdefault(group, len(self._groups))
        described = np.zeros((len(actions), len(self._groups)))
        for row, groups in enumerate(actions.values()):
            described[row, [self._groups[group] for group in groups]] = 1.0
        known = np.array([action_id in self._slots for action_id in actions], dtype=np.bool_)
        if not known.all() or described.shape[1] > self._model.action_features.shape[1]:
            self._model.grow(described[~known])
        for action_id in actions:
            if self._slots.setdefault(action_id, len(self._slots)) == len(self._counts):
                self._counts.append(0.0)
        slots = [self._slots[action_id] for action_id in actions]
        self._model.describe(slots, described)

    def learn(self, resolved: Resolved) -> None:
        """Learn from one choice; see :class:`nba.bandits.Learner`.

        Raises :class:`InputError` for a reward, an expectation or a worth that is not finite, a
        probability that is none, or a ``z`` of another shape, and then nothing is learned.
        """
        z, residual = self._checked(resolved)
        worths = self._worths(resolved)
        told = worths if self.settings.learner == "cover" else [resolved.action]
        unknown = [name for name in told if name not in self._slots]
        if unknown:
            self.ensure(dict.fromkeys(unknown, ()))
        slot = self._slots[resolved.action]
        if isinstance(self._model, CoverModel):
            left = sorted((self._slots[name], worth) for name, worth in worths.items())
            rows = np.array([row for row, _ in left], dtype=np.intp)
            offsets = np.array([worth for _, worth in left])
            taken = int(np.searchsorted(rows, slot))
            self._model.observe(
                z, rows, taken, residual, resolved.effect, resolved.probability, offsets
            )
        else:
            self._model.observe(z, slot, residual, resolved.effect)
        self._counts[slot] = 1.0 + self._counts[slot] * self.settings.forgetting

    def _checked(self, resolved: Resolved) -> tuple[NDArray[np.float64], float]:
        """Return the situation, and the part of the reward that was not expected, by the cap.

        What was looked at ``effect`` times as often is counted as it would be at the first rank,
        and ``effect`` times, as its noise is the larger.
        """
        # Amounts that are a wrong unit to MoneyReward are cut here: one outcome stops no worker.
        reward = min(max(resolved.reward, -self._cap), self._cap)
        if not (math.isfinite(resolved.reward) and math.isfinite(resolved.expected)):
            found = f"found reward {resolved.reward}, {resolved.expected} expected"
            raise InputError([Fault("/reward", found, "finite numbers")])
        if not 0.0 < resolved.effect <= 1.0:
            raise InputError([Fault("/effect", f"found {resolved.effect}", "above 0 and up to 1")])
        residual = (reward - resolved.expected) / self._cap / resolved.effect
        features, *_ = as_observations(
            np.asarray(resolved.z, dtype=np.float64)[None],
            [0],
            [residual],
            None,
            [resolved.probability],
            n_features=len(self.settings.features),
            n_actions=1,
        )
        return features[0], residual

    def _worths(self, resolved: Resolved) -> dict[str, float]:
        """Return what each candidate, the action taken among them, is worth, by the cap."""
        worths = np.asarray(resolved.worths, dtype=np.float64)
        if worths.shape != (len(resolved.candidates),) or not np.isfinite(worths).all():
            found = f"found {worths.tolist()}"
            expected = f"a finite number for each of {len(resolved.candidates)} candidates"
            raise InputError([Fault("/worths", found, expected)])
        found_of = dict(zip(resolved.candidates, (worths / self._cap).tolist(), strict=True))
        found_of.setdefault(resolved.action, resolved.expected / self._cap)
        return found_of

    def expected_logit(self, action_id: str, model_logit: float, z: ArrayLike) -> float:  # noqa: ARG002 - part of the protocol
        """Return the model's logit, which is not corrected."""
        return model_logit

    def start(self, action_id: str, kin: Sequence[str], groups: Sequence[str] = ()) -> bool:
        """Register an action where its kin have got to; ``False`` where it is known already.

        Kin that are not known do not count; see :meth:`LinearModel.inherit` for where they lead.
        """
        if action_id in self._slots:
            return False
        self.ensure({action_id: groups})
        self.restart({action_id: kin})
        return True

    def restart(self, kin: Mapping[str, Sequence[str]]) -> None:
        """Start known actions again where the kin of each have got to; others are left out."""
        for action_id, known in kin.items():
            for slot in self._known([action_id]):
                self._model.inherit(slot, self._known(known))

    def reset(self, action_ids: Collection[str]) -> None:
        """Forget everything about some actions; see :meth:`LinearModel.reset` for what stays."""
        slots = self._known(action_ids)
        self._model.reset(slots)
        for slot in slots:
            self._counts[slot] = 0.0

    def _known(self, action_ids: Collection[str]) -> list[int]:
        return [self._slots[name] for name in action_ids if name in self._slots]

    def refit_if_due(self) -> bool:
        """Do nothing: it has no forests."""
        return False

    def bind(self, action_ids: Sequence[str]) -> BoundRewards:
        """Return what is known now about candidates; later updates do not reach it.

        An action that is not known is at the prior, or at what all actions have in common.
        """
        rows = [self._slots.get(action_id, -1) for action_id in action_ids]
        return BoundRewards(self._model.bind(rows), self._cap, len(rows))

    def to_bytes(self, *, forests: bool = True, memory: bool = True) -> bytes:  # noqa: ARG002 - part of the protocol
        """Return the state; :meth:`from_bytes` gives back its equal, to the last bit."""
        record = _Record(
            kind="reward",
            format=FORMAT,
            settings=self.settings,
            actions=list(self._slots),
            groups=list(self._groups),
            counts=np.array(self._counts, dtype=_NUMBER).tobytes(),
            model=self._model.to_bytes(),
        )
        return msgspec.msgpack.encode(record)

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        settings: BanditSettings | None = None,
        fitter: CorrectionFitter | None = None,  # noqa: ARG003 - it has no forests
    ) -> RewardLearner:
        """Read a state back; with ``settings``, learning goes on under those.

        Raises :class:`CorruptRecordError` where the bytes are no such state, and
        :class:`ConflictError` where what was learned does not fit ``settings``.
        """
        record = _decoded(data)
        if settings is not None:
            _require_fit(record.settings, settings)
        learner = cls(record.settings if settings is None else settings)
        learner._slots = {name: slot for slot, name in enumerate(record.actions)}
        learner._groups = {name: column for column, name in enumerate(record.groups)}
        learner._model = _read_model(record.model, learner.settings)
        n, p = learner._model.action_features.shape
        if (
            (len(learner._slots), len(record.actions), len(learner._groups)) != (n, n, p)
            or len(record.counts) != n * _NUMBER.itemsize
            or learner._model.n_features != len(learner.settings.features)
        ):
            raise CorruptRecordError("the parts of the bandit's state do not fit each other")
        learner._counts = np.frombuffer(record.counts, dtype=_NUMBER).tolist()
        return learner

    def forests_to_bytes(self) -> bytes:
        """Return no forests."""
        return b""

    def take_forests(self, data: bytes) -> None:
        """Take no forests over; :class:`CorruptRecordError` where the bytes are some."""
        if data:
            raise CorruptRecordError(f"a {self.settings.learner} learner has no forests")

    def share_forests(self, other: RewardLearner) -> None:
        """Do nothing: neither has forests."""

    def remember(self, other: RewardLearner) -> None:
        """Do nothing: neither remembers observations."""


def is_reward_state(data: bytes) -> bool:
    """Return whether bytes are the state of a :class:`RewardLearner`, whole or not."""
    try:
        return msgspec.msgpack.decode(data, type=_Kind).kind == "reward"
    except msgspec.MsgspecError:
        return False


def _model_of(settings: BanditSettings) -> _Model:
    linear = LinearModel(
        0,
        len(settings.features),
        sharing=settings.sharing,
        ridge=settings.ridge,
        forgetting=settings.forgetting,
        rate_moves=False,
        change_threshold=settings.change_threshold,
    )
    if settings.learner == "bagged":
        return BaggedModel(linear, settings.members)
    if settings.learner == "cover":
        return CoverModel(linear, settings.members, settings.psi)
    return linear


def _read_model(data: bytes, settings: BanditSettings) -> _Model:
    """Read a model, and let it go on under settings that may have changed."""
    model: _Model
    if settings.learner == "bagged":
        model = BaggedModel.from_bytes(data)
        linear = model.members
    elif settings.learner == "cover":
        model = CoverModel.from_bytes(data)
        model.psi = settings.psi
        linear = (model.first,)
    else:
        model = LinearModel.from_bytes(data)
        linear = (model,)
    for each in linear:
        each.forgetting = settings.forgetting
        each.watch(settings.change_threshold)
    return model


def _require_fit(stored: BanditSettings, wanted: BanditSettings) -> None:
    if stored.features != wanted.features:
        raise ConflictError(
            f"the learned state has the {len(stored.features)} features {list(stored.features)}, "
            f"the settings name the {len(wanted.features)} features {list(wanted.features)}; keep "
            "the features or rebuild the state from the log"
        )
    for name in _BAKED:
        before, now = getattr(stored, name), getattr(wanted, name)
        if before != now:
            raise ConflictError(
                f"the learned state has {name} {before}, the settings name {now}; keep it or "
                "rebuild the state from the log"
            )


def _decoded(data: bytes) -> _Record:
    try:
        found = msgspec.msgpack.decode(data, type=_Record)
    except (msgspec.MsgspecError, InputError) as error:
        raise CorruptRecordError(f"the bandit's state cannot be read: {error}") from error
    if found.format != FORMAT:
        raise CorruptRecordError(
            f"the bandit's state has format {found.format}; this version reads format {FORMAT}; "
            "rebuild the state from the log"
        )
    return found
