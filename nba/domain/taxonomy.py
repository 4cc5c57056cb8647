"""Taxonomy: hierarchies of agreed words, one per dimension.

A term is written ``dimension:path``, the path's levels separated by ``/``: ``product:credit/card``.
A term that was renamed or merged stays known by its former path, so that what was written or
logged with it still means what it meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nba.domain.ids import Term


def dimension_of(term: str) -> str:
    """Return the dimension of a term.

    >>> dimension_of("product:credit/card")
    'product'
    """
    return term.partition(":")[0]


def ancestors_by_depth(terms: Sequence[str]) -> Iterator[list[str]]:
    """Iterate over terms and what is above them, those at one depth together, the deepest first.

    >>> list(ancestors_by_depth(["tone:feeling/cosy", "season:winter"]))
    [['tone:feeling/cosy'], ['tone:feeling', 'season:winter']]
    """
    split = [term.partition(":") for term in terms]
    paths = [(dimension, path.split("/")) for dimension, _, path in split]
    for depth in range(max((len(words) for _, words in paths), default=0), 0, -1):
        yield [
            f"{dimension}:{'/'.join(words[:depth])}"
            for dimension, words in paths
            if len(words) >= depth
        ]


def is_within(term: str, ancestor: str) -> bool:
    """Say whether a term is the ancestor or lies below it.

    >>> is_within("product:credit/card", "product:credit")
    True
    >>> is_within("product:creditline", "product:credit")
    False
    """
    return term == ancestor or term.startswith(ancestor + "/")


class Carrier(StrEnum):
    """What carries terms; a dimension may demand one of each."""

    ACTION = "action"
    CONTENT = "content"
    PLACEMENT = "placement"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One hierarchy; ``terms`` maps a path (``credit/card``) to its label.

    Everything ``required_for`` names carries at least one of its terms. ``renamed`` maps former
    paths to those that took their place.
    """

    terms: Mapping[str, str]
    description: str = ""
    required_for: tuple[Carrier, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def present(self, path: str) -> str | None:
        """Return the path that a path now has, ``None`` where it never was one.

        >>> cards = Dimension({"cards": "Cards"}, renamed={"card": "cards"})
        >>> cards.present("card"), cards.present("cards"), cards.present("loan")
        ('cards', 'cards', None)
        """
        seen = {path}
        while path not in self.terms:
            if path not in self.renamed or self.renamed[path] in seen:
                return None
            path = self.renamed[path]
            seen.add(path)
        return path


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

    def resolve(self, term: str) -> Term | None:
        """Return what a term is called now, ``None`` where it never was one."""
        name, _, path = term.partition(":")
        dimension = self.dimensions.get(name)
        found = None if dimension is None else dimension.present(path)
        return None if found is None else Term(f"{name}:{found}")

    def present(self, terms: Iterable[str]) -> tuple[Term, ...]:
        """Return terms as they are called now, each once; what is unknown stays as it is."""
        return tuple(dict.fromkeys(self.resolve(term) or Term(term) for term in terms))

    def lacking(self, carrier: Carrier, terms: Iterable[str]) -> tuple[str, ...]:
        """Return the dimensions that demand a term of something, but are given none."""
        given = {dimension_of(term) for term in terms}
        return tuple(
            name
            for name, dimension in self.dimensions.items()
            if carrier in dimension.required_for and name not in given
        )
