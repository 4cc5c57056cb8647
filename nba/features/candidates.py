"""What is known of each candidate, from the catalog: a table of numbers and the words for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Placement
from nba.expressions import Level, Schema, Symbol, ValueType, member_path
from nba.features.definitions import (
    NUMBER_SOURCES,
    ActionFeature,
    ActionSource,
    parse_term_source,
)

_TERMS = "action.terms"


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """The candidates of a placement.

    ``columns`` is ``(n_actions, n_names) float64``: the features a model may use, by ``names``, an
    enumerated one as its code in ``categories``, NaN where the action has no such term.
    ``symbols`` is ``(n_actions, n_symbols) float64``: what conditions read, by ``schema``.
    """

    names: tuple[str, ...]
    columns: NDArray[np.float64]
    categories: Mapping[str, tuple[str, ...]]
    schema: Schema
    symbols: NDArray[np.float64]


def candidate_schema(
    features: Sequence[ActionFeature],
    actions: Iterable[Action],
    placements: Iterable[Placement],
    terms: Iterable[str],
) -> Schema:
    """Return the symbols of candidates: the built-in ones, the features, and a bool per term.

    Enumerated values are sorted, so that the same catalog gives the same codes. ``terms`` are
    words that conditions may test although no action carries them yet.
    """
    actions, placements = tuple(actions), tuple(placements)
    symbols: dict[str, Symbol] = {}
    for path, source in _paths(features).items():
        column = len(symbols)
        if source in NUMBER_SOURCES:
            symbols[path] = Symbol(path, ValueType.NUMBER, Level.CANDIDATE, column)
            continue
        if source.startswith("placement."):
            words: set[str | None] = {
                _placement_word(source, placement) for placement in placements
            }
        else:
            words = {_action_word(source, action) for action in actions}
        values = tuple(sorted(word for word in words if word is not None))
        symbols[path] = Symbol(path, ValueType.STRING, Level.CANDIDATE, column, values)
    carried = {word for action in actions for term in action.terms for word in _upwards(term)}
    for word in sorted(carried.union(terms)):
        path = member_path(_TERMS, word)
        symbols[path] = Symbol(path, ValueType.BOOL, Level.CANDIDATE, len(symbols))
    return symbols


def build_table(
    features: Sequence[ActionFeature],
    actions: Sequence[Action],
    placement: Placement,
    schema: Schema,
) -> CandidateTable:
    """Return the table of a placement's candidates, its codes those of ``schema``."""
    symbols = np.full((len(actions), len(schema)), np.nan, dtype=np.float64)
    for path, source in _paths(features).items():
        symbol = schema[path]
        codes = {value: float(code) for code, value in enumerate(symbol.values)}
        for row, action in enumerate(actions):
            symbols[row, symbol.column] = _number(source, action, placement, codes)
    for path, symbol in schema.items():
        if path.startswith(f"{_TERMS}["):
            word = path[len(_TERMS) + 1 : -1]
            symbols[:, symbol.column] = [float(action.has_term(word)) for action in actions]
    columns = [schema[f"action.{feature.name}"].column for feature in features]
    return CandidateTable(
        names=tuple(feature.name for feature in features),
        columns=symbols[:, columns],
        categories={
            feature.name: schema[f"action.{feature.name}"].values
            for feature in features
            if feature.source not in NUMBER_SOURCES
        },
        schema=schema,
        symbols=symbols,
    )


def _paths(features: Sequence[ActionFeature]) -> dict[str, str]:
    """Return the source of every path, the built-in ones first."""
    built_in = {source.value: source.value for source in ActionSource}
    return built_in | {f"action.{feature.name}": feature.source for feature in features}


def _upwards(term: str) -> Iterable[str]:
    """Yield a term and every term above it."""
    dimension, _, path = term.partition(":")
    levels = path.split("/")
    for depth in range(1, len(levels) + 1):
        yield f"{dimension}:{'/'.join(levels[:depth])}"


def _number(source: str, action: Action, placement: Placement, codes: Mapping[str, float]) -> float:
    match source:
        case ActionSource.ACTION_VALUE:
            return action.value
        case ActionSource.ACTION_COST:
            return action.cost
    if source.startswith("placement."):
        return codes[_placement_word(source, placement)]
    word = _action_word(source, action)
    return np.nan if word is None else codes[word]


def _action_word(source: str, action: Action) -> str | None:
    match source:
        case ActionSource.ACTION_ID:
            return action.id
        case ActionSource.ACTION_MESSAGE_CLASS:
            return action.message_class.value
    dimension, depth = parse_term_source(source)
    return action.term_in(dimension, depth=depth)


def _placement_word(source: str, placement: Placement) -> str:
    match source:
        case ActionSource.PLACEMENT_ID:
            return placement.id
        case ActionSource.PLACEMENT_CHANNEL:
            return placement.channel
    return placement.direction.value
