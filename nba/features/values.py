"""One value in and out of the numbers it is kept as, by its declared type.

Numbers are themselves, bools 0 and 1, enumerated words their position in ``values``, dates days
since 1970-01-01; a set is a bool for each of its values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from nba.errors import Fault
from nba.features.definitions import AttributeFeature, ContextFeature, FeatureType

LARGEST = 1e30
"""Largest magnitude of a number: sums of 10⁸ such still fit a float32."""

_EPOCH = date(1970, 1, 1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHOWN_CHARACTERS = 60


class BadValueError(ValueError):
    """A value does not fit its declaration; says what was found and what would be right."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"{found}; {expected}")
        self.found = found
        self.expected = expected

    def fault(self, place: str, *, sensitive: bool) -> Fault:
        """Return it with its place; what was found is not repeated where it is sensitive."""
        found = "found a value that is not shown" if sensitive else self.found
        return Fault(place, found, self.expected)


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """What a value must be, and how it becomes a number and back."""

    type: FeatureType
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    sensitive: bool = False
    codes: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        codes = {value: float(code) for code, value in enumerate(self.values)}
        object.__setattr__(self, "codes", codes)

    @classmethod
    def of(cls, feature: AttributeFeature | ContextFeature) -> ValueSpec:
        """Return the spec a feature declares."""
        if isinstance(feature, ContextFeature):
            bounds = feature.minimum, feature.maximum
            return cls(feature.type, feature.values, *bounds, feature.is_sensitive)
        return cls(feature.type, feature.values, sensitive=feature.is_sensitive)

    @property
    def width(self) -> int:
        """How many numbers it takes."""
        return len(self.values) if self.type is FeatureType.SET else 1

    def encode_all(self, value: Any) -> list[float]:
        """Return the ``width`` numbers a value is kept as; ``None`` is missing, NaN.

        Raises :class:`BadValueError` where it does not fit.
        """
        if value is None:
            return [math.nan] * self.width
        if self.type is not FeatureType.SET:
            return [self.encode(value)]
        allowed = f"a list of any of: {', '.join(self.values)}"
        if not isinstance(value, list | tuple):
            raise BadValueError(f"found {shown(value)}", allowed)
        for word in value:
            if not isinstance(word, str) or word not in self.codes:
                raise BadValueError(f"found {shown(word)}", allowed)
        return [float(word in value) for word in self.values]

    def decode_all(self, numbers: Sequence[float]) -> float | bool | str | list[str] | None:
        """Return the value kept as ``width`` float32 numbers; a missing one is ``None``."""
        if self.type is not FeatureType.SET:
            return self.decode(numbers[0])
        if all(math.isnan(number) for number in numbers):
            return None
        return [word for word, held in zip(self.values, numbers, strict=True) if held == 1.0]

    def encode(self, value: Any) -> float:
        """Return the number a value is kept as; :class:`BadValueError` where it does not fit.

        A set has no one number: :meth:`encode_all`.
        """
        match self.type:
            case FeatureType.NUMBER:
                return self._number(value)
            case FeatureType.BOOL:
                if value is True or value is False:
                    return float(value)
                raise BadValueError(f"found {shown(value)}", "true or false is expected")
            case FeatureType.ENUM:
                code = self.codes.get(value) if isinstance(value, str) else None
                if code is None:
                    allowed = ", ".join(self.values)
                    raise BadValueError(f"found {shown(value)}", f"one of: {allowed}")
                return code
            case FeatureType.DATE:
                return _days(value)
            case FeatureType.SET:
                raise TypeError("a set is no single number")

    def decode(self, number: float) -> float | bool | str | None:
        """Return the value kept as a float32 number; a missing one is ``None``."""
        if math.isnan(number):
            return None
        match self.type:
            case FeatureType.NUMBER:
                return float(str(np.float32(number)))  # 19.99 as it was given, not 19.989999…
            case FeatureType.BOOL:
                return bool(number)
            case FeatureType.ENUM:
                return self.values[int(number)]
            case FeatureType.DATE:
                return (_EPOCH + timedelta(days=number)).isoformat()
            case FeatureType.SET:
                raise TypeError("a set is no single number")

    def _number(self, value: Any) -> float:
        number = finite_number(value)
        low, high = self.minimum, self.maximum
        if low is not None and number < low:
            raise BadValueError(f"found {shown(value)}", f"at least {low:g} is expected")
        if high is not None and number > high:
            raise BadValueError(f"found {shown(value)}", f"at most {high:g} is expected")
        return number


def finite_number(value: Any) -> float:
    """Return a number, -0.0 as 0.0; :class:`BadValueError` for anything else, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValueError(f"found {shown(value)}", "a number is expected")
    if not -LARGEST <= value <= LARGEST:
        raise BadValueError(
            f"found {shown(value)}", f"a number from {-LARGEST:g} to {LARGEST:g} is expected"
        )
    return float(value) + 0.0


def shown(value: Any) -> str:
    """Return a value as messages show it: as JSON writes it, cut where it is long."""
    match value:
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case int() if abs(value) > LARGEST:
            text = "an integer beyond the range"
        case _:
            text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _days(value: Any) -> float:
    expected = "a date as YYYY-MM-DD is expected"
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise BadValueError(f"found {shown(value)}", expected)
    try:
        return float((date.fromisoformat(value) - _EPOCH).days)
    except ValueError as error:
        raise BadValueError(f"found {shown(value)}, which no calendar has", expected) from error
