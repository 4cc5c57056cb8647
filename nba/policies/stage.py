"""Stages: all policies of one kind, compiled for the candidates of one placement.

A stage is made of gates. A gate belongs to a policy and stands before some rows; in a decision it
is open, or closed for all its rows at once (``closed[gate]`` is 1 + the index of the cause). A gate
with a condition is closed row by row as the condition answers, and one that says ``by_row`` as its
stage writes: ``shut[k, row]`` is 1 + the index of the cause, ``k`` counting such gates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Catalog
from nba.expressions import Expression, Schema
from nba.policies.kind import PolicyKind
from nba.policies.situation import Candidates, Situation

P = TypeVar("P", bound=PolicyKind)

Close = Callable[[Situation, NDArray[np.uint8], NDArray[np.uint8]], None]
"""Given the situation, writes ``closed (n_gates,)`` and ``shut (n_by_row, n_candidates)``."""

Narrow = Callable[[Situation, NDArray[np.int16]], None]
"""Given the situation, writes ``dropped_by (n_candidates,)`` where it drops what is left (-1)."""

Weigh = Callable[[Situation, NDArray[np.float64]], None]
"""Given the situation, multiplies ``weights (n_candidates,)``."""

OPEN = 0
FIRST_CAUSE = 1
SECOND_CAUSE = 2
"""In every kind that can lack data, the second cause is that it does."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that can close: its policy's index, its rows, and how if not for all at once."""

    policy: int
    rows: NDArray[np.int32]
    condition: Expression | None = None
    open_if_unknown: bool = False
    by_row: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """The gates of a kind, and what closes them: ``None`` where conditions do.

    ``close`` writes those of its own among the gates of all stages. ``weigh`` multiplies weights on
    expected value, ``(n_candidates,) float64``, by what the kind makes of the situation. ``narrow``
    is asked once all gates were, and chooses among what they left.
    """

    gates: tuple[Gate, ...]
    close: Close | None = None
    weigh: Weigh | None = None
    narrow: Narrow | None = None


@dataclass(frozen=True, slots=True)
class Selected(Generic[P]):
    """A policy, its index in the stack, and the rows it concerns."""

    index: int
    policy: P
    rows: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stage is compiled in.

    ``first_gate`` is where its gates begin among all, ``first_shut`` where those begin that close
    row by row.
    """

    candidates: Candidates
    catalog: Catalog
    schema: Schema
    first_gate: int
    first_shut: int
