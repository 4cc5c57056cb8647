"""What is known of each candidate, from the catalog: a table of numbers and the words for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Content, Placement
from nba.domain.ids import ActionId
from nba.expressions import Level, Schema, Symbol, ValueType, member_path
from nba.features.definitions import (
    ActionFeature,
    ActionSource,
    FeatureType,
    parse_term_flag,
    source_type,
)
from nba.features.words import LAUNCH, word_of, words_of

_TERMS = "action.terms"
_SYMBOL_TYPES = {
    FeatureType.NUMBER: ValueType.NUMBER,
    FeatureType.BOOL: ValueType.BOOL,
    FeatureType.ENUM: ValueType.STRING,
}


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """The candidates of a placement.

    ``columns`` is ``(n_actions, n_names) float64``: the features a model may use, by ``names``, an
    enumerated one as its code in ``categories``, NaN where the action has no such term.
    ``crosses`` are further features by name: for each candidate the column of the customer's row
    that holds its value, ``(n_actions,)``, -1 where it is missing. ``symbols`` is ``(n_actions,
    n_symbols) float64``: what conditions read, by ``schema``.
    """

    names: tuple[str, ...]
    columns: NDArray[np.float64]
    categories: Mapping[str, tuple[str, ...]]
    crosses: Mapping[str, NDArray[np.intp]]
    schema: Schema
    symbols: NDArray[np.float64]

    def values(self, candidate: int, row: NDArray[np.float32]) -> dict[str, float]:
        """Return all features of a candidate by name, given the customer's row; NaN if missing."""
        fixed = dict(zip(self.names, self.columns[candidate].tolist(), strict=True))
        places = {name: int(gather[candidate]) for name, gather in self.crosses.items()}
        read = {name: float(row[at]) if at >= 0 else np.nan for name, at in places.items()}
        return fixed | read


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
        type_ = _SYMBOL_TYPES[source_type(source)]
        is_word = type_ is ValueType.STRING
        values = words_of(source, actions, placements) if is_word else ()
        symbols[path] = Symbol(path, type_, Level.CANDIDATE, len(symbols), values)
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
    *,
    contents: Sequence[Content] = (),
    crosses: Mapping[str, NDArray[np.intp]],
) -> CandidateTable:
    """Return the table of a placement's candidates, its codes those of ``schema``."""
    symbols = np.full((len(actions), len(schema)), np.nan, dtype=np.float64)
    shown = Counter(content.action for content in contents if placement.id in content.placements)
    for path, source in _paths(features).items():
        symbol = schema[path]
        codes = {value: float(code) for code, value in enumerate(symbol.values)}
        for row, action in enumerate(actions):
            if symbol.type is ValueType.STRING:
                word = word_of(source, action, placement)
                number = np.nan if word is None else codes[word]
            else:
                number = _number(source, action, shown)
            symbols[row, symbol.column] = number
    carried = {
        path: symbol.column for path, symbol in schema.items() if path.startswith(f"{_TERMS}[")
    }
    symbols[:, list(carried.values())] = 0.0
    for row, action in enumerate(actions):
        for word in {word for term in action.terms for word in _upwards(term)}:
            column = carried.get(member_path(_TERMS, word))
            if column is not None:
                symbols[row, column] = 1.0
    fixed = [feature for feature in features if feature.source != LAUNCH]
    columns = [schema[f"action.{feature.name}"].column for feature in fixed]
    return CandidateTable(
        names=tuple(feature.name for feature in fixed),
        columns=symbols[:, columns],
        categories={
            feature.name: schema[f"action.{feature.name}"].values
            for feature in fixed
            if feature.source_type is FeatureType.ENUM
        },
        crosses=crosses,
        schema=schema,
        symbols=symbols,
    )


def _paths(features: Sequence[ActionFeature]) -> dict[str, str]:
    """Return the source of every path, the built-in ones first; none that time moves."""
    built_in = {source.value: source.value for source in ActionSource}
    named = {f"action.{feature.name}": feature.source for feature in features}
    return {path: source for path, source in (built_in | named).items() if source != LAUNCH}


def _upwards(term: str) -> Iterable[str]:
    """Yield a term and every term above it."""
    dimension, _, path = term.partition(":")
    levels = path.split("/")
    for depth in range(1, len(levels) + 1):
        yield f"{dimension}:{'/'.join(levels[:depth])}"


def _number(source: str, action: Action, shown: Mapping[ActionId, int]) -> float:
    """Return a number of an action; ``shown`` counts its contents in the placement."""
    term = parse_term_flag(source)
    if term is not None:
        return float(action.has_term(term))
    match source:
        case ActionSource.ACTION_VALUE:
            return action.value
        case ActionSource.ACTION_COST:
            return action.cost
        case ActionSource.ACTION_PRIORITY:
            return action.priority
    return float(shown.get(action.id, 0))
