"""A linear model's state as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nba.bandits.observing import FloatArray
from nba.bandits.packing import fill, pack_state, unpack_state
from nba.bandits.ridge import RidgeStack
from nba.errors import CorruptRecordError, InputError

if TYPE_CHECKING:
    from nba.bandits.linear import LinearModel

FORMAT = 3
"""Version of the bytes; raised with every change to their meaning."""

_KIND = "linear"
_PARAMETERS = (
    "n_features",
    "sharing",
    "ridge",
    "forgetting",
    "base_rate",
    "rate_moves",
    "noise_variance",
    "change_threshold",
)


def parameters_of(model: LinearModel) -> dict[str, Any]:
    """Return what a model was made with, actions aside, by the constructor's names."""
    return {name: getattr(model, name) for name in _PARAMETERS}


def to_bytes(model: LinearModel) -> bytes:
    """Return a model's whole state."""
    own = parameters_of(model) | {"updates": model.updates, "settle_at": model.settle_at}
    if model.change is not None:
        own |= {"compared": model.change.detector.seen, "alarms": model.alarms}
    return pack_state(_KIND, FORMAT, own, _arrays(model))


def from_bytes(data: bytes, made: type[LinearModel]) -> LinearModel:
    """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
    stored, arrays = unpack_state(data, _KIND, FORMAT)
    try:
        model = made(0, **{name: stored[name] for name in _PARAMETERS})
        model.grow(arrays["groups"][:, 1:])
        model.updates, model.settle_at = stored["updates"], stored["settle_at"]
        if model.change is not None:
            detector = model.change.detector
            detector.seen, detector.alarms = stored["compared"], stored["alarms"]
    except (KeyError, IndexError, TypeError, ValueError, InputError) as error:
        raise CorruptRecordError(f"the {_KIND} state has wrong parameters: {error}") from error
    fill(_KIND, arrays, _arrays(model))
    return model


def _arrays(model: LinearModel) -> dict[str, FloatArray]:
    frame, change = model.frame, model.change
    arrays: dict[str, FloatArray] = {"earned": model.earned, "residuals": model.residuals}
    arrays |= {"groups": model.groups, "starts": model.starts}
    arrays |= {"seen": frame.seen, "means": frame.means, "deviations": frame.squares}
    arrays |= {"shift": frame.shift, "scale": frame.scale}
    for name, stack in (("own", model.own), ("pooled", model.pooled)):
        arrays |= {f"{name}_{part}": getattr(stack, part) for part in RidgeStack.PARTS}
    if change is not None:
        arrays |= {"spread": change.spread, "errors": change.detector.errors}
    return arrays
