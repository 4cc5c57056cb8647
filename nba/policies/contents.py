"""Contents as candidates of their own: what policies about contents are evaluated on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Content
from nba.expressions import Level, Schema, Symbol, ValueType

CONTENT_SYMBOL = "content."
"""How the symbols of contents begin; a condition that reads one is about contents."""

_PARTS = ("id", "group", "locale")


def with_contents(schema: Schema, contents: Sequence[Content]) -> Schema:
    """Return a schema with ``content.id``, ``content.group`` and ``content.locale`` added.

    Their columns follow those of the other candidate symbols.
    """
    first = sum(symbol.level is Level.CANDIDATE for symbol in schema.values())
    added: dict[str, Symbol] = {}
    for place, part in enumerate(_PARTS):
        path = f"{CONTENT_SYMBOL}{part}"
        values = tuple(sorted({str(getattr(content, part)) for content in contents}))
        added[path] = Symbol(path, ValueType.STRING, Level.CANDIDATE, first + place, values)
    return {**schema, **added}


def content_columns(
    schema: Schema,
    contents: Sequence[Content],
    owners: NDArray[np.intp],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the candidate table of contents, ``(n_contents, n_columns) float64``.

    Parameters
    ----------
    schema
        What :func:`with_contents` returned.
    owners
        ``(n_contents,)``: the row of the action that each is shown for.
    columns
        ``(n_actions, n_columns)``: the candidate table of the actions.

    """
    codes = [
        {value: float(code) for code, value in enumerate(schema[f"{CONTENT_SYMBOL}{part}"].values)}
        for part in _PARTS
    ]
    own = [
        [known[str(getattr(content, part))] for part, known in zip(_PARTS, codes, strict=True)]
        for content in contents
    ]
    return np.hstack([columns[owners], np.array(own, dtype=np.float64).reshape(-1, len(_PARTS))])
