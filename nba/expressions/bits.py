"""The bit machine: boolean values of all candidates as two sets of bits.

A row holds, for every candidate, whether the value is true (the first ``n_words`` words) and
whether it is false (the rest); where neither bit is set it is unknown. Kleene's logic is then a few
operations a word on 64 candidates at once, and negation swaps the halves. Bits past the last
candidate are never set.

A comparison of a candidate's number with one of the situation looks the situation's up among the
candidates' sorted ones; the answer is the candidates on one side, read from the nearest kept
prefix. An instruction is a row ``[op, a, b, c]`` of int32 and writes the row of its own; an operand
that is negative is a scalar's address, less 1, negated.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.expressions.machine import BLOCK, execute, situate, verdict

MACHINE_DIGEST = "310dd34cf4af4d1d"
"""Of :mod:`nba.expressions.machine`, whose compiled code is called here: numba renews what it keeps
on disk only when the caller's file changes, and so this one changes with that."""

WORD = 64
STRIDE = 16
"""Of the prefixes of a sorted column, every so manieth is kept."""

CONSTANT_ROWS = 3
"""The first rows: unknown, false and true of all candidates, by verdict + 1."""


class BitOp(IntEnum):
    """Instructions; those from ``BELOW`` on look a scalar ``b`` up in the sorted column ``a``.

    ``BELOW`` holds where the candidate's number is less than the scalar, ``UP_TO`` where it is not
    greater, ``SAME`` where they are equal, ``FROM`` where it is not less, ``ABOVE`` where it is
    greater.
    """

    NOT = 0
    AND = 1
    OR = 2
    EQUAL = 3
    CHOOSE = 4
    BELOW = 5
    UP_TO = 6
    SAME = 7
    FROM = 8
    ABOVE = 9


NOT, AND, OR, EQUAL, CHOOSE, BELOW, UP_TO, SAME, FROM, ABOVE = map(int, BitOp)


class SortedColumns(NamedTuple):
    """Candidates' numbers made ready to look others up in, all columns behind one another.

    Column ``i`` has its known numbers, sorted, at ``starts[i]`` to ``starts[i + 1]`` of ``values``
    ``(n,) float64``, and the candidates they belong to in ``order`` ``(n,) int32``. From row
    ``first_prefix[i]`` on, ``prefixes`` ``(m, n_words) uint64`` holds the sets of the first 0,
    ``STRIDE``, ... of these candidates; ``known`` ``(n_columns, n_words)`` is the set of all.
    """

    values: NDArray[np.float64]
    order: NDArray[np.int32]
    starts: NDArray[np.intp]
    prefixes: NDArray[np.uint64]
    first_prefix: NDArray[np.intp]
    known: NDArray[np.uint64]


def word_count(n_candidates: int) -> int:
    """Return how many words hold a bit for every candidate.

    >>> word_count(64), word_count(65)
    (1, 2)
    """
    return -(-n_candidates // WORD)


def pack(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack flags ``(..., n_candidates)`` to words ``(..., n_words) uint64``, the lowest bit first.

    >>> pack(np.array([True, False, True])).tolist()
    [5]
    """
    *leading, n_candidates = flags.shape
    padded = np.zeros((*leading, WORD * word_count(n_candidates)), dtype=np.bool_)
    padded[..., :n_candidates] = flags
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def unpack(words: NDArray[np.uint64], n_candidates: int) -> NDArray[np.bool_]:
    """Unpack words ``(..., n_words)`` to flags ``(..., n_candidates)``."""
    octets = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    flags = np.unpackbits(octets, axis=-1, count=n_candidates, bitorder="little")
    return flags.view(np.bool_)


def pack_values(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Pack boolean values ``(n, n_candidates)``, NaN unknown, to rows ``(n, 2 * n_words)``."""
    known = ~np.isnan(values)
    return np.hstack([pack(known & (values != 0.0)), pack(known & (values == 0.0))])


def sort_columns(columns: NDArray[np.float64]) -> SortedColumns:
    """Sort columns ``(n_columns, n_candidates)``, NaN where missing."""
    n_candidates = columns.shape[1]
    order: list[NDArray[np.intp]] = []
    prefixes = [np.zeros((0, word_count(n_candidates)), dtype=np.uint64)]
    for column in columns:
        ranked = np.argsort(column, kind="stable")[: np.count_nonzero(~np.isnan(column))]
        position = np.full(n_candidates, n_candidates, dtype=np.intp)
        position[ranked] = np.arange(len(ranked))
        sizes = np.arange(0, len(ranked) + 1, STRIDE)
        prefixes.append(pack(position < sizes[:, None]))
        order.append(ranked)
    lengths = [len(ranked) for ranked in order]
    return SortedColumns(
        values=np.concatenate(
            [np.zeros(0), *(column[ranked] for column, ranked in zip(columns, order, strict=True))]
        ),
        order=np.concatenate([np.zeros(0), *order]).astype(np.int32),
        starts=np.cumsum([0, *lengths], dtype=np.intp),
        prefixes=np.concatenate(prefixes),
        first_prefix=np.cumsum([0, *(len(sets) for sets in prefixes[1:])], dtype=np.intp),
        known=pack(~np.isnan(columns)),
    )


@numba.njit(cache=True)
def _count_below(values: Any, start: int, stop: int, number: float, inclusive: bool) -> int:  # noqa: FBT001
    """Return how many of the sorted values are less than a number, or not greater."""
    low = start
    high = stop
    while low < high:
        middle = (low + high) // 2
        value = values[middle]
        if value < number or (inclusive and value == number):
            low = middle + 1
        else:
            high = middle
    return low - start


@numba.njit(cache=True)
def _bounds(op: int, values: Any, start: int, stop: int, number: float) -> tuple[int, int]:
    """Return between which positions, from ``start`` on, a comparison or its opposite holds."""
    if op in (BELOW, FROM):
        return 0, _count_below(values, start, stop, number, False)  # noqa: FBT003
    up_to = _count_below(values, start, stop, number, True)  # noqa: FBT003
    if op != SAME:
        return 0, up_to
    return _count_below(values, start, stop, number, False), up_to  # noqa: FBT003


@numba.njit(cache=True)
def _row_of(operand: int, scalars: Any) -> int:
    return operand if operand >= 0 else 1 + verdict(scalars[-1 - operand])


@numba.njit(cache=True)
def _execute_bits(  # noqa: C901, PLR0912 - calls that pass arrays cost more than the work here
    code: Any, scalars: Any, columns: SortedColumns, rows: Any, first: int
) -> None:
    """Run ``code``; its row ``i`` writes row ``first + i`` of ``rows``."""
    values, order, starts, prefixes, first_prefix, known = columns
    n_words = known.shape[1]
    for i in range(code.shape[0]):
        op = code[i, 0]
        out = first + i
        if op >= BELOW:
            column = code[i, 1]
            number = scalars[code[i, 2]]
            start = starts[column]
            stop = starts[column + 1]
            # The candidates up to ``high`` in order, without those up to ``low``.
            low, high = _bounds(op, values, start, stop, number)
            for word in range(n_words):
                rows[out, word] = 0
            for edge in (low, high):
                prefix = first_prefix[column] + edge // STRIDE
                for word in range(n_words):
                    rows[out, word] ^= prefixes[prefix, word]
                for position in range(start + edge // STRIDE * STRIDE, start + edge):
                    candidate = order[position]
                    rows[out, candidate >> 6] ^= np.uint64(1) << np.uint64(candidate & 63)
            is_known = ~np.uint64(0) if number == number else np.uint64(0)  # noqa: PLR0124
            if op >= FROM:
                for word in range(n_words):
                    inside = rows[out, word]
                    rows[out, word] = known[column, word] & ~inside & is_known
                    rows[out, n_words + word] = inside & is_known
            else:
                for word in range(n_words):
                    inside = rows[out, word]
                    rows[out, word] = inside & is_known
                    rows[out, n_words + word] = known[column, word] & ~inside & is_known
            continue
        a = _row_of(code[i, 1], scalars)
        b = _row_of(code[i, 2], scalars)
        if op == AND:
            for true in range(n_words):
                false = n_words + true
                rows[out, true] = rows[a, true] & rows[b, true]
                rows[out, false] = rows[a, false] | rows[b, false]
        elif op == OR:
            for true in range(n_words):
                false = n_words + true
                rows[out, true] = rows[a, true] | rows[b, true]
                rows[out, false] = rows[a, false] & rows[b, false]
        elif op == NOT:
            for true in range(n_words):
                false = n_words + true
                rows[out, true] = rows[a, false]
                rows[out, false] = rows[a, true]
        elif op == EQUAL:
            for true in range(n_words):
                false = n_words + true
                rows[out, true] = rows[a, true] & rows[b, true] | rows[a, false] & rows[b, false]
                rows[out, false] = rows[a, true] & rows[b, false] | rows[a, false] & rows[b, true]
        else:
            c = _row_of(code[i, 3], scalars)
            for true in range(n_words):
                false = n_words + true
                rows[out, true] = rows[a, true] & rows[b, true] | rows[a, false] & rows[c, true]
                rows[out, false] = rows[a, true] & rows[b, false] | rows[a, false] & rows[c, false]


@numba.njit(cache=True)
def _pack_block(values: Any, out: Any, word: int, n_words: int, width: int) -> None:
    true = np.uint64(0)
    false = np.uint64(0)
    for i in range(width):
        said = verdict(values[i])
        bit = np.uint64(1) << np.uint64(i)
        if said == 1:
            true |= bit
        elif said == 0:
            false |= bit
    out[word] = true
    out[n_words + word] = false


@numba.njit(cache=True, error_model="numpy")
def run_bits(
    situation: Any,
    rows: Any,
    template: Any,
    layout: Any,
    loads: Any,
    situation_code: Any,
    tables: Any,
    scalar_outputs: Any,
    fixed: Any,
    mixed_code: Any,
    packed: Any,
    bit_code: Any,
    columns: SortedColumns,
) -> NDArray[np.int8]:
    """Run bound conditions for one situation; see :func:`~nba.expressions.machine.situate`.

    The first of ``rows`` ``(n_rows, 2 * n_words)`` are given: those of constants and of candidates
    alone. What has to be computed in numbers, ``mixed_code`` on the vectors ``fixed``, comes next;
    its results ``packed`` become the rows behind. ``bit_code`` writes the rest. Returns the
    verdicts of the scalar outputs.
    """
    scalars = situate(situation, template, layout, loads, situation_code, tables)
    verdicts = np.empty(scalar_outputs.shape[0], dtype=np.int8)
    for i in range(scalar_outputs.shape[0]):
        verdicts[i] = verdict(scalars[scalar_outputs[i]])
    n_words = rows.shape[1] // 2
    first = rows.shape[0] - bit_code.shape[0]
    first_packed = first - packed.shape[0]
    if packed.shape[0]:
        n_candidates = fixed.shape[1]
        registers = np.empty((mixed_code.shape[0], BLOCK))
        for word in range(n_words):
            width = min(BLOCK, n_candidates - BLOCK * word)
            execute(mixed_code, tables, scalars, fixed, registers, BLOCK * word, width)
            for i in range(packed.shape[0]):
                _pack_block(registers[packed[i]], rows[first_packed + i], word, n_words, width)
    _execute_bits(bit_code, scalars, columns, rows, first)
    return verdicts
