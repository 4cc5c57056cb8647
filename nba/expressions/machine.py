"""The register machine that runs compiled expressions: one kernel, numba-compiled.

Every value is a float64; booleans are 0 and 1, NaN is unknown, and so is the result of arithmetic
that is not finite: a division by zero or an overflow. An instruction is a row
``[op, a, b, c]`` of int32 and writes the register of its own row. An operand below
``len(scalars)`` is a scalar; the next ``len(fixed)`` are vectors given from outside; the rest are
the registers of this run. ``MAP`` and ``IN`` take a slice of ``tables`` as ``b`` (start) and ``c``
(length) instead of operands.

What an instruction means for one value is said once, by a function each; scalars are computed one
by one, vectors block by block. Conditions that mix both levels run on bits instead
(:mod:`nba.expressions.bits`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

BLOCK = 64
"""Candidates run at a time, so that registers stay in the processor's cache."""


class Op(IntEnum):
    """Instructions; the kernel below gives each its meaning."""

    NOT = 0
    AND = 1
    OR = 2
    EQUAL = 3
    LESS = 4
    LESS_EQUAL = 5
    ADD = 6
    SUBTRACT = 7
    MULTIPLY = 8
    DIVIDE = 9
    HAS = 10
    CHOOSE = 11
    MAP = 12
    IN = 13


NOT, AND, OR, EQUAL, LESS, LESS_EQUAL, ADD, SUBTRACT, MULTIPLY, DIVIDE, HAS, CHOOSE, MAP, IN = map(
    int, Op
)


@numba.njit(cache=True, error_model="numpy")
def _not(x: float) -> float:
    if x != x:  # noqa: PLR0124 - NaN, here and below
        return np.nan
    return 1.0 if x == 0.0 else 0.0


@numba.njit(cache=True, error_model="numpy")
def _and(x: float, y: float) -> float:
    if x == 0.0 or y == 0.0:
        return 0.0
    return np.nan if x != x or y != y else 1.0  # noqa: PLR0124


@numba.njit(cache=True, error_model="numpy")
def _or(x: float, y: float) -> float:
    if (x == x and x != 0.0) or (y == y and y != 0.0):  # noqa: PLR0124
        return 1.0
    return np.nan if x != x or y != y else 0.0  # noqa: PLR0124


@numba.njit(cache=True, error_model="numpy")
def _compare(op: int, x: float, y: float) -> float:
    if x != x or y != y:  # noqa: PLR0124
        return np.nan
    if op == EQUAL:
        return 1.0 if x == y else 0.0
    if op == LESS:
        return 1.0 if x < y else 0.0
    return 1.0 if x <= y else 0.0


@numba.njit(cache=True, error_model="numpy")
def _calculate(op: int, x: float, y: float) -> float:
    if op == ADD:
        value = x + y
    elif op == SUBTRACT:
        value = x - y
    elif op == MULTIPLY:
        value = x * y
    else:
        value = x / y
    return value if np.isfinite(value) else np.nan


@numba.njit(cache=True, error_model="numpy")
def _choose(x: float, y: float, z: float) -> float:
    if x != x:  # noqa: PLR0124
        return np.nan
    return z if x == 0.0 else y


@numba.njit(cache=True, error_model="numpy")
def _mapped(x: float, tables: Any, start: int, length: int) -> float:
    return tables[start + int(x)] if x >= 0.0 and x < length else np.nan


@numba.njit(cache=True, error_model="numpy")
def _listed(x: float, tables: Any, start: int, length: int) -> float:
    if x != x:  # noqa: PLR0124
        return np.nan
    low = start
    high = start + length
    while low < high:
        middle = (low + high) // 2
        if tables[middle] < x:
            low = middle + 1
        else:
            high = middle
    return 1.0 if low < start + length and tables[low] == x else 0.0


@numba.njit(cache=True, error_model="numpy")
def execute_scalars(code: Any, tables: Any, scalars: Any, first: int) -> None:
    """Run ``code``, all of whose operands are scalars; row ``i`` writes ``scalars[first + i]``."""
    for row in range(code.shape[0]):
        op = code[row, 0]
        x = scalars[code[row, 1]]
        b = code[row, 2]
        c = code[row, 3]
        if op == NOT:
            value = _not(x)
        elif op == HAS:
            value = 1.0 if x == x else 0.0  # noqa: PLR0124
        elif op == MAP:
            value = _mapped(x, tables, b, c)
        elif op == IN:
            value = _listed(x, tables, b, c)
        elif op == AND:
            value = _and(x, scalars[b])
        elif op == OR:
            value = _or(x, scalars[b])
        elif op == CHOOSE:
            value = _choose(x, scalars[b], scalars[c])
        elif op <= LESS_EQUAL:
            value = _compare(op, x, scalars[b])
        else:
            value = _calculate(op, x, scalars[b])
        scalars[first + row] = value


@numba.njit(cache=True, error_model="numpy")
def situate(situation: Any, template: Any, layout: Any, loads: Any, code: Any, tables: Any) -> Any:
    """Return every scalar of one situation, ``(n_scalars,) float64``.

    ``template`` has the constants filled in; ``layout`` holds where the situation columns ``loads``
    go and where the results of ``code`` begin.
    """
    scalars = template.copy()
    for i in range(loads.shape[0]):
        scalars[layout[0] + i] = situation[loads[i]]
    execute_scalars(code, tables, scalars, layout[1])
    return scalars


@numba.njit(cache=True, error_model="numpy")
def _operand(
    index: int, scalars: Any, fixed: Any, registers: Any, spare: Any, first: int, width: int
) -> Any:
    if index < scalars.shape[0]:
        spare[:width] = scalars[index]
        return spare[:width]
    vector = index - scalars.shape[0]
    if vector < fixed.shape[0]:
        return fixed[vector, first : first + width]
    return registers[vector - fixed.shape[0], :width]


@numba.njit(cache=True, error_model="numpy")
def execute(  # noqa: C901, PLR0912 - one branch an instruction; kernels take positions
    code: Any, tables: Any, scalars: Any, fixed: Any, registers: Any, first: int, width: int
) -> None:
    """Run ``code`` over candidates ``first`` to ``first + width``, writing ``registers``.

    Parameters
    ----------
    code
        ``(n_instructions, 4) int32``.
    tables
        ``(n,) float64``: sorted lists of ``IN`` and look-up tables of ``MAP``.
    scalars
        ``(n_scalars,) float64``.
    fixed
        ``(n_vectors, n_candidates) float64``.
    registers
        ``(n_instructions, >= width) float64``, written.
    """
    spare = np.empty((3, width))
    for row in range(code.shape[0]):
        op = code[row, 0]
        out = registers[row]
        b = code[row, 2]
        c = code[row, 3]
        x = _operand(code[row, 1], scalars, fixed, registers, spare[0], first, width)
        if op == NOT:
            for i in range(width):
                out[i] = _not(x[i])
            continue
        if op == HAS:
            for i in range(width):
                out[i] = 1.0 if x[i] == x[i] else 0.0
            continue
        if op == MAP:
            for i in range(width):
                out[i] = _mapped(x[i], tables, b, c)
            continue
        if op == IN:
            for i in range(width):
                out[i] = _listed(x[i], tables, b, c)
            continue
        y = _operand(b, scalars, fixed, registers, spare[1], first, width)
        if op == AND:
            for i in range(width):
                out[i] = _and(x[i], y[i])
        elif op == OR:
            for i in range(width):
                out[i] = _or(x[i], y[i])
        elif op == EQUAL:
            for i in range(width):
                out[i] = _compare(EQUAL, x[i], y[i])
        elif op == LESS:
            for i in range(width):
                out[i] = _compare(LESS, x[i], y[i])
        elif op == LESS_EQUAL:
            for i in range(width):
                out[i] = _compare(LESS_EQUAL, x[i], y[i])
        elif op == ADD:
            for i in range(width):
                out[i] = _calculate(ADD, x[i], y[i])
        elif op == SUBTRACT:
            for i in range(width):
                out[i] = _calculate(SUBTRACT, x[i], y[i])
        elif op == MULTIPLY:
            for i in range(width):
                out[i] = _calculate(MULTIPLY, x[i], y[i])
        elif op == DIVIDE:
            for i in range(width):
                out[i] = _calculate(DIVIDE, x[i], y[i])
        else:
            z = _operand(c, scalars, fixed, registers, spare[2], first, width)
            for i in range(width):
                out[i] = _choose(x[i], y[i], z[i])


@numba.njit(cache=True, error_model="numpy")
def verdict(value: float) -> int:
    """Return what a boolean value says: 1 true, 0 false, -1 unknown."""
    if value != value:  # noqa: PLR0124
        return -1
    return 0 if value == 0.0 else 1


@numba.njit(cache=True, error_model="numpy")
def _write(out: Any, values: Any) -> None:
    """Write values as they are, or as verdicts where ``out`` is int8."""
    if out.itemsize == 1:
        for i in range(values.shape[0]):
            out[i] = verdict(values[i])
    else:
        out[:] = values


@numba.njit(cache=True, error_model="numpy")
def run_values(
    situation: Any,
    template: Any,
    layout: Any,
    loads: Any,
    situation_code: Any,
    mixed_code: Any,
    tables: Any,
    fixed: Any,
    scalar_outputs: Any,
    vector_outputs: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run bound values for one situation; see :func:`situate` for the scalars.

    Returns the scalar outputs ``(n_scalar,)`` and the vector outputs ``(n_vector, n_candidates)``.
    """
    scalars = situate(situation, template, layout, loads, situation_code, tables)
    one = scalars[scalar_outputs]
    n_candidates = fixed.shape[1]
    many = np.empty((vector_outputs.shape[0], n_candidates))
    if vector_outputs.shape[0] == 0:
        return one, many
    registers = np.empty((mixed_code.shape[0], min(BLOCK, n_candidates)))
    spare = np.empty(BLOCK)
    for first in range(0, n_candidates, BLOCK):
        width = min(BLOCK, n_candidates - first)
        execute(mixed_code, tables, scalars, fixed, registers, first, width)
        for i in range(vector_outputs.shape[0]):
            found = _operand(vector_outputs[i], scalars, fixed, registers, spare, first, width)
            many[i, first : first + width] = found
    return one, many


@numba.njit(cache=True, error_model="numpy")
def run_rows(
    rows: Any, scalars: Any, loads: Any, code: Any, tables: Any, outputs: Any, pattern: Any
) -> NDArray[Any]:
    """Run a program that reads no situation over rows ``(n_rows, n_columns)``, block by block.

    ``loads`` are the columns read. Returns ``(n_outputs, n_rows)`` of the type of ``pattern``.
    """
    many = np.empty((outputs.shape[0], rows.shape[0]), dtype=pattern.dtype)
    size = min(BLOCK, rows.shape[0])
    columns = np.empty((loads.shape[0], size))
    registers = np.empty((code.shape[0], size))
    spare = np.empty(size)
    for first in range(0, rows.shape[0], BLOCK):
        width = min(BLOCK, rows.shape[0] - first)
        for i in range(width):
            for j in range(loads.shape[0]):
                columns[j, i] = rows[first + i, loads[j]]
        execute(code, tables, scalars, columns, registers, 0, width)
        for i in range(outputs.shape[0]):
            found = _operand(outputs[i], scalars, columns, registers, spare, 0, width)
            _write(many[i, first : first + width], found)
    return many
