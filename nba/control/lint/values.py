"""What a value can still be: sets of numbers and words, narrowed by comparisons.

Narrowing only ever takes away what cannot be, so that a set found empty is empty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nba.expressions.tree import Comparison

Constant = float | str | bool

_FLIPPED = {
    Comparison.LESS: Comparison.GREATER,
    Comparison.LESS_EQUAL: Comparison.GREATER_EQUAL,
    Comparison.GREATER: Comparison.LESS,
    Comparison.GREATER_EQUAL: Comparison.LESS_EQUAL,
}
_DENIED = {
    Comparison.EQUAL: Comparison.NOT_EQUAL,
    Comparison.NOT_EQUAL: Comparison.EQUAL,
    Comparison.LESS: Comparison.GREATER_EQUAL,
    Comparison.LESS_EQUAL: Comparison.GREATER,
    Comparison.GREATER: Comparison.LESS_EQUAL,
    Comparison.GREATER_EQUAL: Comparison.LESS,
}


def flipped(comparison: Comparison) -> Comparison:
    """Return the comparison that says the same with its sides exchanged."""
    return _FLIPPED.get(comparison, comparison)


def denied(comparison: Comparison) -> Comparison:
    """Return the comparison that is true of two present values where this one is false."""
    return _DENIED[comparison]


class Numbers(NamedTuple):
    """The numbers from ``low`` to ``high``, the ends themselves unless open, but ``excluded``."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    excluded: frozenset[float] = frozenset()

    @classmethod
    def only(cls, value: float) -> Numbers:
        """Return the set of one number."""
        return cls(value, value)

    @property
    def empty(self) -> bool:
        """Whether no number is left."""
        if self.low < self.high:
            return False
        if self.low > self.high or self.low_open or self.high_open:
            return True
        return self.low in self.excluded

    @property
    def single(self) -> float | None:
        """The only number left, if there is but one."""
        return self.low if self.low == self.high and not self.empty else None

    def narrowed(self, comparison: Comparison, value: float) -> Numbers:
        """Return those of which the comparison with a number is true."""
        match comparison:
            case Comparison.EQUAL:
                return self.within(Numbers.only(value))
            case Comparison.NOT_EQUAL:
                return self._replace(excluded=self.excluded | {value})
            case Comparison.LESS | Comparison.LESS_EQUAL:
                is_open = comparison is Comparison.LESS
                return self.within(Numbers(high=value, high_open=is_open))
            case Comparison.GREATER | Comparison.GREATER_EQUAL:
                is_open = comparison is Comparison.GREATER
                return self.within(Numbers(low=value, low_open=is_open))

    def compared(self, comparison: Comparison, other: Numbers) -> Numbers:
        """Return those that can stand in a comparison with some number of another set."""
        match comparison:
            case Comparison.EQUAL:
                return self.within(other)
            case Comparison.NOT_EQUAL:
                single = other.single
                return self if single is None else self.narrowed(comparison, single)
            case Comparison.LESS | Comparison.LESS_EQUAL:
                is_open = comparison is Comparison.LESS or other.high_open
                return self.within(Numbers(high=other.high, high_open=is_open))
            case Comparison.GREATER | Comparison.GREATER_EQUAL:
                is_open = comparison is Comparison.GREATER or other.low_open
                return self.within(Numbers(low=other.low, low_open=is_open))

    def within(self, other: Numbers) -> Numbers:
        """Return the numbers of both."""
        low, low_open = self.low, self.low_open
        if other.low > low:
            low, low_open = other.low, other.low_open
        elif other.low == low:
            low_open = low_open or other.low_open
        high, high_open = self.high, self.high_open
        if other.high < high:
            high, high_open = other.high, other.high_open
        elif other.high == high:
            high_open = high_open or other.high_open
        return Numbers(low, high, low_open, high_open, self.excluded | other.excluded)


class Names(NamedTuple):
    """Words or truth values: those ``allowed`` (``None``: any) but ``excluded``."""

    allowed: frozenset[Constant] | None = None
    excluded: frozenset[Constant] = frozenset()

    @classmethod
    def only(cls, *values: Constant) -> Names:
        """Return the set of the values given."""
        return cls(frozenset(values))

    @property
    def empty(self) -> bool:
        """Whether none is left."""
        return self.allowed is not None and self.allowed <= self.excluded

    @property
    def single(self) -> Constant | None:
        """The only value left, if there is but one."""
        left = () if self.allowed is None else tuple(self.allowed - self.excluded)
        return left[0] if len(left) == 1 else None

    def within(self, other: Names) -> Names:
        """Return the values of both."""
        excluded = self.excluded | other.excluded
        if self.allowed is None or other.allowed is None:
            return Names(self.allowed if other.allowed is None else other.allowed, excluded)
        return Names(self.allowed & other.allowed, excluded)

    def without(self, *values: Constant) -> Names:
        """Return all but the values given."""
        return Names(self.allowed, self.excluded | frozenset(values))


Values = Numbers | Names
