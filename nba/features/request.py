"""Values that come with a request: into the row for this once, never kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.errors import Fault
from nba.features.definitions import FeatureType
from nba.features.pointers import pointer
from nba.features.updates import AttributeSlot
from nba.features.values import BadValueError


def override(
    row: NDArray[np.float32],
    part: str,
    given: Mapping[str, Any],
    declared: Mapping[str, AttributeSlot],
    *,
    at_ms: int,
    faults: list[Fault],
) -> None:
    """Set what is given in a row, in place; a fault for what is not declared or does not fit.

    ``part`` is the member of the request that ``given`` is, ``context`` or ``attributes``;
    ``declared`` gives each name its columns and spec.
    """
    for name, value in given.items():
        found = declared.get(name)
        if found is None:
            known = ", ".join(declared) or "none"
            faults.append(Fault(pointer(part, name), "not declared", f"one of: {known}"))
            continue
        if value is None:
            faults.append(Fault(pointer(part, name), "found null", "a value, or leave it out"))
            continue
        try:
            numbers = found.spec.encode_all(value)
        except BadValueError as error:
            faults.append(error.fault(pointer(part, name), sensitive=found.spec.sensitive))
            continue
        if found.spec.type is FeatureType.DATE:
            numbers = [at_ms / MILLISECONDS_PER_SECOND / SECONDS_PER_DAY - numbers[0]]
        row[found.numbers] = numbers
