"""Taxonomy: hierarchies of agreed words, one per dimension.

A term is written ``dimension:path``, the path's levels separated by ``/``: ``product:credit/card``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nba.domain.ids import Term


def dimension_of(term: str) -> str:
    """Return the dimension of a term.

    >>> dimension_of("product:credit/card")
    'product'
    """
    return term.partition(":")[0]


def is_within(term: str, ancestor: str) -> bool:
    """Say whether a term is the ancestor or lies below it.

    >>> is_within("product:credit/card", "product:credit")
    True
    >>> is_within("product:creditline", "product:credit")
    False
    """
    return term == ancestor or term.startswith(ancestor + "/")


@dataclass(frozen=True, slots=True)
class Dimension:
    """One hierarchy; ``terms`` maps a path (``credit/card``) to its label."""

    terms: Mapping[str, str]
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All dimensions by name."""

    dimensions: Mapping[str, Dimension] = field(default_factory=dict)

    def __contains__(self, term: object) -> bool:
        if not isinstance(term, str):
            return False
        name, _, path = term.partition(":")
        dimension = self.dimensions.get(name)
        return dimension is not None and path in dimension.terms

    def terms(self) -> Iterable[Term]:
        """Every term of every dimension."""
        for name, dimension in self.dimensions.items():
            for path in dimension.terms:
                yield Term(f"{name}:{path}")
