"""What guardrails look at: the customer's moment, and the candidates of a placement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Content, Placement
from nba.domain.history import ContactHistory
from nba.domain.ids import ContentId


@dataclass(frozen=True, slots=True)
class Situation:
    """One customer at one moment.

    ``symbols`` is the situation row of the schema, ``(n_columns,) float64`` and contiguous, NaN
    where missing. ``consents`` maps :func:`~nba.domain.consent.consent_code` to granted or not; a
    code that is absent is unknown. Entries of ``history`` from ``answer_from`` on are the contacts
    that the answer itself has made so far. ``shared`` is what is the same for all customers, as it
    was last known: by :func:`~nba.domain.ids.hash32` of a policy's id, what its kind says it is.
    """

    customer_id: str
    at_ms: int
    symbols: NDArray[np.float64]
    consents: Mapping[int, bool]
    time_zone: str | None
    history: ContactHistory
    answer_from: int
    shared: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one placement; row 0 is always ``no_action``.

    ``columns`` is the candidate table of the schema, ``(n_candidates, n_columns) float64``. Where
    ``contents`` is there, rows are contents instead: one each, with the action it is shown for, and
    none is ``no_action``; ``withheld`` are those not shown until somebody has confirmed them.
    """

    placement: Placement
    actions: tuple[Action, ...]
    columns: NDArray[np.float64]
    contents: tuple[Content, ...] | None = None
    withheld: frozenset[ContentId] = frozenset()
