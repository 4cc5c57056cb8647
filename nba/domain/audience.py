"""Audiences that are uploaded: lists of customers, declared as terms of the taxonomy.

A profile keeps the lists its customer is on beside the consents, as a code each, so that they are
read with it. Who is not on a list is off it; there is no third answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from nba.domain.consent import CONSENT_GRANTED_BIT
from nba.domain.ids import hash32
from nba.domain.taxonomy import Taxonomy, is_within

AUDIENCE_DIMENSION = "audience"
"""The dimension whose terms are the lists that may be uploaded."""


def membership_code(name: str) -> int:
    """Return the even code by which a profile says, beside its consents, who is on a list.

    >>> membership_code("vip") % 2
    0
    """
    return hash32(f"{AUDIENCE_DIMENSION}\x00{name}") & ~CONSENT_GRANTED_BIT


@dataclass(frozen=True, slots=True)
class Audiences:
    """The lists of a taxonomy: by any name they have or had, what they are called now.

    ``codes`` gives for each list its codes: its own first, then those of its former names.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> Audiences:
        """Return the lists that a taxonomy declares."""
        dimension = taxonomy.dimensions.get(AUDIENCE_DIMENSION)
        if dimension is None:
            return cls()
        names: dict[str, str] = {}
        for path in (*dimension.terms, *dimension.renamed):
            present = dimension.present(path)
            if present is not None:
                names[path] = present
        codes = {
            path: (
                membership_code(path),
                *(membership_code(old) for old, now in names.items() if now == path != old),
            )
            for path in dimension.terms
        }
        return cls(names, codes)

    def on(self, known: Collection[int]) -> list[str]:
        """Return the lists that a customer is on whose codes are known, by name."""
        return sorted(
            name for name, codes in self.codes.items() if any(code in known for code in codes)
        )

    def within(self, name: str) -> tuple[int, ...]:
        """Return the codes of a list and of all below it; none where there is no such list."""
        present = self.names.get(name)
        return tuple(
            code
            for path, codes in self.codes.items()
            if present is not None and is_within(path, present)
            for code in codes
        )

    def hint(self, name: str) -> str:
        """Return what is probably meant by a name that is none."""
        close = get_close_matches(name, sorted(self.names), n=1)
        if close:
            return f"did you mean {close[0]}?"
        return f"add {AUDIENCE_DIMENSION}:{name} to the taxonomy and publish it"


NO_AUDIENCES = Audiences()
"""Those of no taxonomy."""
