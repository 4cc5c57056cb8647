"""What constants of explorers and learners may be."""

from __future__ import annotations

import math

import numpy as np

from nba.errors import Fault, InputError


def share(name: str, value: float) -> Fault | None:
    """Return what is wrong with a constant that is a share, if anything is."""
    if 0.0 <= value <= 1.0:
        return None
    return Fault(f"/{name}", f"found {value}", "a number from 0 to 1 is expected")


def positive(name: str, value: float) -> Fault | None:
    """Return what is wrong with a constant that is above 0 and finite, if anything is."""
    if 0.0 < value < math.inf:
        return None
    return Fault(f"/{name}", f"found {value}", "a number above 0 is expected")


def not_negative(name: str, value: float) -> Fault | None:
    """Return what is wrong with a constant that is 0 or above and finite, if anything is."""
    if 0.0 <= value < math.inf:
        return None
    return Fault(f"/{name}", f"found {value}", "a number of at least 0 is expected")


def kept(name: str, value: float) -> Fault | None:
    """Return what is wrong with the share that is kept of what is old, if anything is."""
    if 0.0 < value <= 1.0:
        return None
    return Fault(f"/{name}", f"found {value}", "a number above 0 and up to 1 is expected")


def rate(name: str, value: float) -> Fault | None:
    """Return what is wrong with a chance that is neither 0 nor 1, if anything is."""
    if 0.0 < value < 1.0:
        return None
    return Fault(f"/{name}", f"found {value}", "a rate between 0 and 1 is expected")


def finite(name: str, value: float) -> Fault | None:
    """Return what is wrong with a constant of any size, if anything is."""
    if math.isfinite(value):
        return None
    return Fault(f"/{name}", f"found {value}", "a finite number is expected")


def whole(name: str, value: float, least: int) -> Fault | None:
    """Return what is wrong with a number of things, if anything is."""
    if isinstance(value, int | np.integer) and value >= least:
        return None
    expected = f"a whole number of at least {least} is expected"
    return Fault(f"/{name}", f"found {value}", expected)


def require(*faults: Fault | None) -> None:
    """Raise :class:`InputError` with all faults that there are."""
    found = [fault for fault in faults if fault is not None]
    if found:
        raise InputError(found)


def require_updates(updates: int) -> None:
    """Raise :class:`InputError` for a number of updates below 0."""
    if updates < 0:
        raise InputError([Fault("/updates", f"found {updates}", "a number of at least 0")])
