"""A propensity model: a forest, its calibration, and what its inputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError, DefinitionError, Fault
from nba.models.arrays import BoundForest, Crosses
from nba.models.binding import bind_forest
from nba.models.calibration import Calibration
from nba.models.crosses import bind_crosses
from nba.models.forest import Forest
from nba.models.kernels import score_all, score_crossed, score_some
from nba.models.lightgbm_text import parse_lightgbm

FORMAT = 1
"""Version of the stored form; a reader refuses any other."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One column that a model was trained on.

    ``level`` says whether it has one value for the whole situation or one per candidate; a cross is
    of the latter, and only the binding tells it from a candidate's own value.
    ``categories`` are the values behind the codes 0, 1, ... that the model knows, or ``None`` for
    a number.
    """

    name: str
    level: Literal["situation", "candidate"]
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PropensityModel:
    """P(desired outcome | customer, action, context), calibrated, ready to be bound to a plan.

    Attributes
    ----------
    name, version
        As in the registry.
    forest, calibration
        The log odds are the calibration of the forest's raw score.
    inputs
        One per forest feature, in the forest's order and by its names.
    trained_through_ms
        Epoch milliseconds (UTC) up to which it has seen data.
    base_rate
        Share of positives it was trained on.
    """

    name: str
    version: str
    forest: Forest
    calibration: Calibration
    inputs: tuple[ModelInput, ...]
    trained_through_ms: int
    base_rate: float

    def __post_init__(self) -> None:
        names = tuple(item.name for item in self.inputs)
        if names != self.forest.feature_names:
            found = f"inputs {', '.join(names)}"
            expected = f"the forest's features are {', '.join(self.forest.feature_names)}"
            raise DefinitionError([Fault(f"model {self.name}", found, expected)])

    def to_bytes(self) -> bytes:
        """Return the stored form: MessagePack, with the forest as LightGBM model text."""
        return msgspec.msgpack.encode(
            _Stored(
                format=FORMAT,
                name=self.name,
                version=self.version,
                lightgbm_text=self.forest.text,
                slope=self.calibration.slope,
                intercept=self.calibration.intercept,
                inputs=self.inputs,
                trained_through_ms=self.trained_through_ms,
                base_rate=self.base_rate,
            )
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> PropensityModel:
        """Read the stored form back.

        Raises :class:`CorruptRecordError` where it is cut, foreign or of another format version.
        """
        try:
            found = msgspec.msgpack.decode(stored, type=_Header).format
            if found != FORMAT:
                raise CorruptRecordError(f"stored model of format {found}; {FORMAT} is expected")
            record = msgspec.msgpack.decode(stored, type=_Stored)
            calibration = Calibration(record.slope, record.intercept)
        except (msgspec.MsgspecError, ValueError) as error:
            raise CorruptRecordError(f"stored model cannot be read: {error}") from error
        return cls(
            name=record.name,
            version=record.version,
            forest=parse_lightgbm(record.lightgbm_text),
            calibration=calibration,
            inputs=record.inputs,
            trained_through_ms=record.trained_through_ms,
            base_rate=record.base_rate,
        )

    def bind(
        self,
        situation_names: Sequence[str],
        situation_categories: Mapping[str, tuple[str, ...]],
        candidate_names: Sequence[str],
        candidate_categories: Mapping[str, tuple[str, ...]],
        candidate_columns: NDArray[np.float64],
        *,
        crosses: Mapping[str, NDArray[np.intp]] = MappingProxyType({}),
    ) -> BoundModel:
        """Bind the model to a plan's feature layout and to a placement's candidates.

        Codes are translated by category, so that a plan may list values in another order than the
        model was trained with; a value the model never saw is missing (NaN) to it.

        Parameters
        ----------
        situation_names, situation_categories
            The columns of customer rows, and the values of the enumerated ones.
        candidate_names, candidate_categories, candidate_columns
            The same for the candidates, (n_candidates, n_columns) float64, NaN where missing.
        crosses
            Further features of the candidates, numbers all, whose values are the customer's: where
            in the row each candidate's value lies, (n_candidates,) intp, -1 where it has none. They
            may lie beyond the columns that ``situation_names`` names.

        Raises
        ------
        DefinitionError
            The layout lacks an input, or has a number where the model takes an enumeration or the
            other way around; one fault for each.
        ValueError
            A cross is not of one position per candidate, or a position is below -1.
        """
        columns = np.asarray(candidate_columns, dtype=np.float64)
        _check_crosses(crosses, len(columns))
        situation = _Layout("situation", situation_names, situation_categories)
        candidate = _Layout("candidate", candidate_names, candidate_categories)
        cross = _Layout("candidate", tuple(crosses), {})

        def layout(item: ModelInput) -> _Layout:
            if item.level == "situation":
                return situation
            return cross if item.name in crosses else candidate

        faults = [
            Fault(f"model {self.name}, input {item.name}", *mismatch)
            for item in self.inputs
            if (mismatch := layout(item).mismatch(item)) is not None
        ]
        if faults:
            raise DefinitionError(faults)
        numbered = list(enumerate(self.inputs))
        of_situation = [(index, item) for index, item in numbered if layout(item) is situation]
        of_candidate = [(index, item) for index, item in numbered if layout(item) is candidate]
        gathers = {
            index: np.asarray(crosses[item.name], dtype=np.intp)
            for index, item in numbered
            if layout(item) is cross
        }
        values = [
            _translate(columns[:, candidate.position(item)], candidate.lookup(item))
            for _, item in of_candidate
        ]
        forest = bind_forest(
            self.forest,
            situation=[index for index, _ in of_situation],
            source=[situation.position(item) for _, item in of_situation],
            lookups=[situation.lookup(item) for _, item in of_situation],
            candidate=[index for index, _ in of_candidate],
            values=np.array(values).T.reshape(len(columns), len(values)),
        )
        last = max((int(gather.max(initial=-1)) for gather in gathers.values()), default=-1)
        n_features = max(len(situation_names), 1 + last)
        return BoundModel(
            forest,
            bind_crosses(self.forest, gathers, forest.candidate_words) if gathers else None,
            self.calibration,
            n_features,
            len(columns),
        )


@dataclass(frozen=True, slots=True, eq=False)
class BoundModel:
    """A model bound to one plan's feature layout and one placement's candidates.

    Attributes
    ----------
    forest, crosses, calibration
        The bound forest, its crosses if it has any, and the calibration of its raw scores.
    n_features, n_candidates
        Least length of a customer row; number of candidates.
    """

    forest: BoundForest
    crosses: Crosses | None
    calibration: Calibration
    n_features: int
    n_candidates: int

    def logits(
        self, row: NDArray[np.float32], rows: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return calibrated log odds, float64, one per candidate.

        Parameters
        ----------
        row
            (n,) float32, at least ``n_features``: the customer, NaN where missing, codes where
            enumerated.
        rows
            (n,) positions of the candidates asked for, which the answer follows; all by default.
        """
        if row.ndim != 1 or len(row) < self.n_features:
            expected = f"({self.n_features},) or longer is expected"
            raise ValueError(f"row of shape {row.shape}; {expected}")
        # A copy has one type, layout and writability, so that one compiled kernel serves all.
        values = row.astype(np.float64)
        if self.crosses is not None:
            rows = np.arange(self.n_candidates) if rows is None else rows.astype(np.intp)
            return self.calibration.apply(score_crossed(values, rows, self.forest, self.crosses))
        if rows is None:
            return self.calibration.apply(score_all(values, self.forest))
        return self.calibration.apply(score_some(values, rows.astype(np.intp), self.forest))


class _Header(msgspec.Struct):
    format: int


class _Stored(msgspec.Struct, kw_only=True):
    format: int
    name: str
    version: str
    lightgbm_text: str
    slope: float
    intercept: float
    inputs: tuple[ModelInput, ...]
    trained_through_ms: int
    base_rate: float


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns that a plan offers at one level."""

    level: str
    names: Sequence[str]
    categories: Mapping[str, tuple[str, ...]]

    def mismatch(self, item: ModelInput) -> tuple[str, str] | None:
        """Say what was found and what would be right, if the input cannot be fed."""
        if item.name not in self.names:
            return f"no such {self.level} feature", "declare it, or retrain without it"
        if item.categories is None and item.name in self.categories:
            return "the feature is an enumeration", "the model was trained on a number: retrain it"
        if item.categories is not None and item.name not in self.categories:
            return "the feature is a number", "the model was trained on an enumeration: retrain it"
        return None

    def position(self, item: ModelInput) -> int:
        return list(self.names).index(item.name)

    def lookup(self, item: ModelInput) -> NDArray[np.float64]:
        """Return the model's code by the plan's code, NaN last for any other; empty for numbers."""
        if item.categories is None:
            return np.empty(0)
        codes = {value: float(code) for code, value in enumerate(item.categories)}
        known = [codes.get(value, np.nan) for value in self.categories[item.name]]
        return np.array([*known, np.nan])


def _check_crosses(crosses: Mapping[str, NDArray[np.intp]], n_candidates: int) -> None:
    for name, gather in crosses.items():
        if np.shape(gather) != (n_candidates,) or np.min(gather, initial=-1) < -1:
            raise ValueError(
                f"cross {name}: ({n_candidates},) positions, each -1 or more, are expected"
            )


def _translate(column: NDArray[np.float64], lookup: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(lookup) == 0:
        return column
    other = len(lookup) - 1
    is_known = (column >= 0) & (column < other)
    codes = np.where(is_known, column, other).astype(np.intp)
    translated: NDArray[np.float64] = lookup[codes]
    return translated
