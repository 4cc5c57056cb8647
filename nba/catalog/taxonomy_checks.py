"""What can be wrong with terms: in the dimensions themselves, and where something carries them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nba.catalog.declarations import Declarations, Written
from nba.catalog.suggestions import nearest
from nba.domain.catalog import Action, Content, Placement
from nba.domain.taxonomy import Carrier, Dimension, Taxonomy
from nba.errors import Fault

DIMENSION_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""How a dimension is called."""

TERM_PATH = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
"""How a term's path is written."""

_SPELLING = "lower-case words of a-z, 0-9 and _, levels separated by /"

Carrying = Written[Action] | Written[Content] | Written[Placement]


@dataclass(frozen=True, slots=True)
class Terms:
    """Every term there is; ``complete`` says whether what is not among them is unknown."""

    taxonomy: Taxonomy
    complete: bool

    @classmethod
    def of(cls, declarations: Declarations) -> Terms:
        """Return the terms of what was declared."""
        complete = declarations.knows_all(declarations.dimensions)
        return cls(declarations.taxonomy(), complete)

    def check(
        self, written: Carrying, carrier: Carrier | None, terms: Sequence[str]
    ) -> Iterator[Fault]:
        """Yield terms that are unknown, and dimensions that demand one and are given none."""
        for index, term in enumerate(written.item.terms):
            yield from self.unknown(written, ("terms", index), term)
        for dimension in () if carrier is None else self.taxonomy.lacking(carrier, terms):
            found = f"{carrier} {written.id!r} has no term in {dimension!r}"
            yield written.fault(("terms",), found, f"add a term {dimension}:…")

    def unknown(
        self, written: Carrying, where: tuple[str | int, ...], term: str, *, former: bool = True
    ) -> Iterator[Fault]:
        """Yield a term that is not in the taxonomy, by a former name either if ``former``."""
        known = self.taxonomy.resolve(term) is not None if former else term in self.taxonomy
        if self.complete and not known:
            expected = nearest(term, self.taxonomy.terms())
            yield written.fault(where, f"term {term!r} is not in the taxonomy", expected)


def check_dimension(written: Written[Dimension]) -> Iterator[Fault]:
    """Yield what is wrong with a dimension by itself."""
    terms = written.item.terms
    if not DIMENSION_NAME.fullmatch(written.id):
        expected = "a word of a-z, 0-9 and _, a letter first"
        yield written.fault((), f"dimension {written.id!r}", expected)
    if not terms:
        yield written.fault((), f"dimension {written.id!r} has no terms", "list its terms")
    for path in terms:
        if not TERM_PATH.fullmatch(path):
            yield written.fault(("terms", path), f"term {path!r}", _SPELLING)
            continue
        parent = path.rpartition("/")[0]
        if parent and parent not in terms:
            found = f"term {path!r} has no parent"
            yield written.fault(("terms", path), found, f"add the term {parent!r}")
    for former, path in written.item.renamed.items():
        yield from _check_former(written, former, path)


def _check_former(written: Written[Dimension], former: str, path: str) -> Iterator[Fault]:
    dimension = written.item
    where = ("renamed", former)
    if not TERM_PATH.fullmatch(former):
        yield written.fault(where, f"former term {former!r}", _SPELLING)
    elif former in dimension.terms:
        found = f"{former!r} is a term and the former name of {path!r}"
        yield written.fault(where, found, "let it be one of both")
    elif dimension.present(former) is None:
        if path in dimension.renamed:
            found = f"{former!r} was renamed in a circle"
            yield written.fault(where, found, "let it end in a term")
        else:
            found = f"{former!r} was renamed to {path!r}, which is no term"
            yield written.fault(where, found, nearest(path, dimension.terms))
