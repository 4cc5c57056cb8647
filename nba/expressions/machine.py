"""The register machine that runs compiled expressions: one kernel, numba-compiled.

Every value is a float64; booleans are 0 and 1, NaN is unknown, and so is the result of arithmetic
that is not finite: a division by zero or an overflow. An instruction is a row
``[op, a, b, c]`` of int32 and writes the register of its own row. An operand below
``len(scalars)`` is a scalar; the next ``len(fixed)`` are vectors given from outside; the rest are
the registers of this run. ``MAP`` and ``IN`` take a slice of ``tables`` as ``b`` (start) and ``c``
(length) instead of operands.
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
def _listed(value: float, tables: Any, start: int, length: int) -> float:
    low = start
    high = start + length
    while low < high:
        middle = (low + high) // 2
        if tables[middle] < value:
            low = middle + 1
        else:
            high = middle
    return 1.0 if low < start + length and tables[low] == value else 0.0


@numba.njit(cache=True, error_model="numpy")
def _finite(value: float) -> float:
    return value if np.isfinite(value) else np.nan


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
        x = _operand(code[row, 1], scalars, fixed, registers, spare[0], first, width)
        if op == NOT:
            for i in range(width):
                out[i] = np.nan if x[i] != x[i] else (1.0 if x[i] == 0.0 else 0.0)
            continue
        if op == HAS:
            for i in range(width):
                out[i] = 1.0 if x[i] == x[i] else 0.0
            continue
        if op == MAP:
            for i in range(width):
                inside = x[i] >= 0.0 and x[i] < code[row, 3]
                out[i] = tables[code[row, 2] + int(x[i])] if inside else np.nan
            continue
        if op == IN:
            for i in range(width):
                found = _listed(x[i], tables, code[row, 2], code[row, 3])
                out[i] = np.nan if x[i] != x[i] else found
            continue
        y = _operand(code[row, 2], scalars, fixed, registers, spare[1], first, width)
        if op == AND:
            for i in range(width):
                if x[i] == 0.0 or y[i] == 0.0:
                    out[i] = 0.0
                else:
                    out[i] = np.nan if x[i] != x[i] or y[i] != y[i] else 1.0
        elif op == OR:
            for i in range(width):
                known = x[i] == x[i] and y[i] == y[i]
                either = (x[i] == x[i] and x[i] != 0.0) or (y[i] == y[i] and y[i] != 0.0)
                out[i] = 1.0 if either else (0.0 if known else np.nan)
        elif op == EQUAL:
            for i in range(width):
                known = x[i] == x[i] and y[i] == y[i]
                out[i] = (1.0 if x[i] == y[i] else 0.0) if known else np.nan
        elif op == LESS:
            for i in range(width):
                known = x[i] == x[i] and y[i] == y[i]
                out[i] = (1.0 if x[i] < y[i] else 0.0) if known else np.nan
        elif op == LESS_EQUAL:
            for i in range(width):
                known = x[i] == x[i] and y[i] == y[i]
                out[i] = (1.0 if x[i] <= y[i] else 0.0) if known else np.nan
        elif op == ADD:
            for i in range(width):
                out[i] = _finite(x[i] + y[i])
        elif op == SUBTRACT:
            for i in range(width):
                out[i] = _finite(x[i] - y[i])
        elif op == MULTIPLY:
            for i in range(width):
                out[i] = _finite(x[i] * y[i])
        elif op == DIVIDE:
            for i in range(width):
                out[i] = _finite(x[i] / y[i])
        else:
            z = _operand(code[row, 3], scalars, fixed, registers, spare[2], first, width)
            for i in range(width):
                out[i] = np.nan if x[i] != x[i] else (z[i] if x[i] == 0.0 else y[i])


@numba.njit(cache=True, error_model="numpy")
def _verdict(value: float) -> int:
    if value != value:  # noqa: PLR0124 - NaN
        return -1
    return 0 if value == 0.0 else 1


@numba.njit(cache=True, error_model="numpy")
def _write(out: Any, values: Any) -> None:
    """Write values as they are, or as verdicts where ``out`` is int8."""
    if out.itemsize == 1:
        for i in range(values.shape[0]):
            out[i] = _verdict(values[i])
    else:
        out[:] = values


@numba.njit(cache=True, error_model="numpy")
def run(
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
    pattern: Any,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Run a bound program for one situation.

    ``template`` is every scalar with the constants filled in; ``layout`` holds where the situation
    columns ``loads`` go and where the results of ``situation_code`` begin. Returns the scalar
    outputs ``(n_scalar,)`` and the vector outputs ``(n_vector, n_candidates)``, of the type of
    ``pattern``: verdicts in int8, or values in float64.
    """
    scalars = template.copy()
    for i in range(loads.shape[0]):
        scalars[layout[0] + i] = situation[loads[i]]
    results = scalars[layout[1] :].reshape((situation_code.shape[0], 1))
    execute(situation_code, tables, scalars, fixed, results, 0, 1)
    one = np.empty(scalar_outputs.shape[0], dtype=pattern.dtype)
    _write(one, scalars[scalar_outputs])
    n_candidates = fixed.shape[1]
    many = np.empty((vector_outputs.shape[0], n_candidates), dtype=pattern.dtype)
    if vector_outputs.shape[0] == 0:
        return one, many
    registers = np.empty((mixed_code.shape[0], min(BLOCK, n_candidates)))
    spare = np.empty(BLOCK)
    for first in range(0, n_candidates, BLOCK):
        width = min(BLOCK, n_candidates - first)
        execute(mixed_code, tables, scalars, fixed, registers, first, width)
        for i in range(vector_outputs.shape[0]):
            found = _operand(vector_outputs[i], scalars, fixed, registers, spare, first, width)
            _write(many[i, first : first + width], found)
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
