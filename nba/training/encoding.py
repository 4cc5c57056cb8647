"""Feature columns as the numbers a model is fitted on: the same coding that serving binds to.

Situation features are the log's ``f_<name>`` columns, candidate features its ``a_<name>`` columns;
in a model they carry their plain names. Numbers stay as recorded, missing is NaN, and a text column
becomes the position of its text among the categories of the model's input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.errors import DefinitionError, Fault
from nba.models.propensity import ModelInput
from nba.models.spec import ModelSpec

Level = Literal["situation", "candidate"]

_PREFIXES: Mapping[Level, str] = {"situation": "f_", "candidate": "a_"}


def model_inputs(spec: ModelSpec, rows: pl.DataFrame) -> tuple[ModelInput, ...]:
    """Return the inputs of a model in column order, with the categories found in ``rows``, sorted.

    Raises :class:`DefinitionError` where the spec names a feature that the log did not record.
    """
    named: list[tuple[Level, str]] = [("situation", name) for name in spec.customer_features]
    named += [("candidate", name) for name in spec.candidate_features]
    faults = []
    inputs = []
    for level, name in named:
        column = _PREFIXES[level] + name
        if column not in rows.columns:
            faults.append(_unknown(spec, level, name, rows.columns))
            continue
        inputs.append(_input(rows, level, name))
    if faults:
        raise DefinitionError(faults)
    return tuple(inputs)


def recorded_inputs(rows: pl.DataFrame) -> tuple[ModelInput, ...]:
    """Return every feature the log recorded, as the inputs of a model that takes them all."""
    found = []
    for level, prefix in _PREFIXES.items():
        names = sorted(name for name in rows.columns if name.startswith(prefix))
        found += [_input(rows, level, name.removeprefix(prefix)) for name in names]
    return tuple(found)


def encode_rows(inputs: Sequence[ModelInput], rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return log rows as (n_rows, n_inputs) float64 in C order."""
    columns = [rows[_PREFIXES[entry.level] + entry.name] for entry in inputs]
    return _matrix(inputs, columns, rows.height)


def encode_plain(inputs: Sequence[ModelInput], rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return rows whose columns carry the plain feature names as (n_rows, n_inputs) float64.

    A column that is absent is missing in every row.
    """
    absent = pl.repeat(None, rows.height, dtype=pl.Float64, eager=True)
    columns = [rows[e.name] if e.name in rows.columns else absent for e in inputs]
    return _matrix(inputs, columns, rows.height)


def encode_texts(texts: pl.Series, categories: Sequence[str]) -> pl.Series:
    """Return the position of each text among the categories as Float64; null where it has none."""
    codes = {text: float(code) for code, text in enumerate(categories)}
    return texts.cast(pl.String).replace_strict(codes, default=None, return_dtype=pl.Float64)


def _input(rows: pl.DataFrame, level: Level, name: str) -> ModelInput:
    values = rows[_PREFIXES[level] + name]
    categories = None
    if values.dtype == pl.String:
        categories = tuple(values.drop_nulls().unique().sort().to_list())
    return ModelInput(name=name, level=level, categories=categories)


def _matrix(
    inputs: Sequence[ModelInput], columns: Sequence[pl.Series], height: int
) -> NDArray[np.float64]:
    matrix = np.empty((height, len(inputs)), dtype=np.float64)
    for position, (entry, column) in enumerate(zip(inputs, columns, strict=True)):
        if entry.categories is None:
            numbers = column.cast(pl.Float64)
        else:
            numbers = encode_texts(column, entry.categories)
        matrix[:, position] = numbers.fill_null(float("nan")).to_numpy()
    return matrix


def _unknown(spec: ModelSpec, level: Level, name: str, columns: Sequence[str]) -> Fault:
    prefix = _PREFIXES[level]
    recorded = [column.removeprefix(prefix) for column in columns if column.startswith(prefix)]
    near = get_close_matches(name, recorded, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(recorded))}"
    return Fault(f"model {spec.name!r}", f"the log has no {level} feature {name!r}", hint)
