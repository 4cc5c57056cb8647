"""What is known of contents together: of a message, of an action, of what shares a term.

A content that was hardly shown is expected to do as its kin do. Kin are, from the closest on, the
same message elsewhere (its content group), what else its action is said with, and what shares its
terms, the narrowest first. Each of these circles has the mean of what was learned of the others in
it, weighted by how much each was observed, and moved towards the next wider circle the less that
was: n observations count n of n + 50. The mean of the closest is where a content's own learning
starts from, and gives way to it as observations come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BoundLogistic, OnlineLogistic
from nba.domain.catalog import Content
from nba.domain.taxonomy import ancestors_by_depth

FloatArray = NDArray[np.float64]

DOUBT = 50.0
"""Observations of a circle's others that count as much as the next wider circle."""


class ContentPools:
    """Which contents are kin, from the closest circle to the widest."""

    def __init__(self, contents: Sequence[Content]) -> None:
        self.ids = tuple(content.id for content in contents)
        numbers: dict[str, int] = {}
        circles = [
            [numbers.setdefault(name, len(numbers)) for name in circles_of(content)]
            for content in contents
        ]
        self._n_circles = len(numbers)
        self._circles = np.full((len(contents), max(map(len, circles), default=0)), -1)
        for row, found in enumerate(circles):
            self._circles[row, : len(found)] = found

    def pooled(self, learned: OnlineLogistic) -> PooledContents:
        """Return what is known of all contents, each beside its kin."""
        means = learned.learned(self.ids)
        counts = np.array([learned.count(name) for name in self.ids])
        weighted = counts[:, None] * means
        total = np.zeros((self._n_circles, means.shape[1]))
        observed = np.zeros(self._n_circles)
        for circles in self._circles.T:
            inside = circles >= 0
            np.add.at(total, circles[inside], weighted[inside])
            np.add.at(observed, circles[inside], counts[inside])
        towards = np.zeros_like(means)
        for circles in self._circles.T[::-1]:
            rows = np.flatnonzero(circles >= 0)
            others = total[circles[rows]] - weighted[rows]
            n = observed[circles[rows]] - counts[rows]
            towards[rows] = (others + DOUBT * towards[rows]) / (n + DOUBT)[:, None]
        return PooledContents(learned, dict(zip(self.ids, towards, strict=True)))


class PooledContents:
    """What was learned of contents, and for each, ``(2 + k,)``, what its kin suggest."""

    def __init__(self, learned: OnlineLogistic, towards: dict[str, FloatArray]) -> None:
        self._learned = learned
        self._towards = towards

    def count(self, content_id: str) -> float:
        """Return how much a content was observed, less what was forgotten."""
        return self._learned.count(content_id)

    def bind(self, content_ids: Sequence[str]) -> BoundLogistic:
        """Return what is known now about contents of the pools."""
        towards = np.array([self._towards[name] for name in content_ids])
        return self._learned.bind(content_ids, towards if len(content_ids) else None)


def circles_of(content: Content) -> Iterator[str]:
    """Iterate over the names of the circles a content is in, the closest first.

    >>> from nba.domain.ids import ActionId, ContentId, Term
    >>> terms = (Term("tone:feeling/cosy"), Term("season:winter"))
    >>> coat = ContentId("coat.en"), ActionId("coat")
    >>> content = Content(
    ...     id=coat[0], action=coat[1], group="warm", placements=(), locale="en", terms=terms
    ... )
    >>> list(circles_of(content))
    ['group warm', 'action coat', 'tone:feeling/cosy', 'tone:feeling', 'season:winter']
    """
    yield f"group {content.group}"
    yield f"action {content.action}"
    for ancestors in ancestors_by_depth(content.terms):
        yield from ancestors
