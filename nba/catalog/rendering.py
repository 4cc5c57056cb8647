"""Slots compiled for one content in one placement, and filled in when an answer gives it.

What a template may name is what a decision has recorded: the customer's features, the request's
context, segments, the decision's id, and a few words of the action, content and placement. So the
same record gives the same text. No sensitive feature is ever shown.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from nba.catalog.suggestions import nearest
from nba.catalog.templating import CASES, Output, TemplateError, has_template, parse
from nba.domain.catalog import Action, Content, Placement, Slot, SlotType
from nba.errors import DefinitionError, Fault
from nba.expressions import Level, Schema, Symbol, ValueType

DECISION_ID = "decision.id"
"""Name of what tells one answer from another, for links that report outcomes."""

_TRUTH = ("false", "true")
_SEGMENT = "segment."
_SEGMENT_COLUMN = "segment_"
_NUMERIC = "0"
_SHOWN: Mapping[str, Callable[[Action, Content, Placement], str]] = {
    "action.id": lambda action, _content, _placement: action.id,
    "action.name": lambda action, _content, _placement: action.name,
    "content.id": lambda _action, content, _placement: content.id,
    "content.group": lambda _action, content, _placement: content.group,
    "content.locale": lambda _action, content, _placement: content.locale,
    "placement.id": lambda _action, _content, placement: placement.id,
    "placement.channel": lambda _action, _content, placement: placement.channel,
}
_ESCAPES: Mapping[SlotType, Callable[[str], str]] = {
    SlotType.TEXT: str,
    SlotType.NUMBER: str,
    SlotType.HTML: html.escape,
    SlotType.URL: lambda text: quote(text, safe=""),
    SlotType.IMAGE: lambda text: quote(text, safe=""),
}


@dataclass(frozen=True, slots=True)
class TemplateNames:
    """What templates may name.

    Parameters
    ----------
    schema
        Symbols of the feature row (:meth:`nba.features.FeatureSet.schema`).
    sensitive
        Names of sensitive features, as they are in a row.

    """

    schema: Schema
    sensitive: frozenset[str]

    def symbol(self, output: Output) -> Symbol:
        """Return the symbol an output reads; :class:`TemplateError` where it may read none."""
        name = output.name
        symbol = self.schema.get(name)
        if symbol is None or symbol.level is not Level.SITUATION:
            known = [*_SHOWN, DECISION_ID, *self._showable()]
            raise TemplateError(output.column, f"{name!r} is not known", nearest(name, known))
        if self._is_sensitive(name):
            expected = "leave it out: what is sensitive is never shown"
            raise TemplateError(output.column, f"{name!r} is sensitive", expected)
        return symbol

    def _showable(self) -> Iterator[str]:
        for name, symbol in self.schema.items():
            if symbol.level is Level.SITUATION and not self._is_sensitive(name):
                yield name

    def _is_sensitive(self, path: str) -> bool:
        if path.startswith(_SEGMENT):
            return _SEGMENT_COLUMN + path.removeprefix(_SEGMENT) in self.sensitive
        name = path.partition(".")[2]
        return name in self.sensitive or name.partition("[")[0] in self.sensitive


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Reads a word, or true and false: what to say for each code, ``default`` for the others."""

    column: int
    said: tuple[str, ...]
    default: str

    def __call__(self, row: NDArray[np.float32], _decision_id: str) -> str:
        code = row[self.column]
        return self.said[int(code)] if 0 <= code < len(self.said) else self.default


@dataclass(frozen=True, slots=True)
class _Counted:
    """Reads a number, in the fewest digits that are still the number, or in ``digits`` decimals."""

    column: int
    digits: int | None
    default: str

    def __call__(self, row: NDArray[np.float32], _decision_id: str) -> str:
        number = row[self.column]
        if not np.isfinite(number):
            return self.default
        if self.digits is not None:
            return f"{float(number):.{self.digits}f}"
        return np.format_float_positional(np.float32(number), trim="-")


def _decision_id(_row: NDArray[np.float32], decision_id: str) -> str:
    return decision_id


Part = str | Callable[[NDArray[np.float32], str], str]
"""A text, or what reads one from a feature row and a decision id."""


@dataclass(frozen=True, slots=True)
class _CompiledSlot:
    """A slot in parts; ``fallback`` is it with every value missing, and fits ``max_length``."""

    name: str
    parts: tuple[Part, ...]
    fallback: str
    max_length: int


@dataclass(frozen=True, slots=True)
class CompiledSlots:
    """The slots of one content in one placement, some of them templates."""

    slots: tuple[_CompiledSlot, ...]

    def render(self, row: NDArray[np.float32], decision_id: str) -> dict[str, str]:
        """Return the slots filled in; the same arguments give the same texts.

        A slot that would come out longer than its bound is written as if every value were missing.

        Parameters
        ----------
        row
            ``(n_features,) float32``, NaN where a value is missing.
        decision_id
            What ``decision.id`` stands for.

        """
        said = {}
        for slot in self.slots:
            text = "".join(
                part if isinstance(part, str) else part(row, decision_id) for part in slot.parts
            )
            said[slot.name] = (
                slot.fallback if slot.max_length and len(text) > slot.max_length else text
            )
        return said


def compile_slots(
    content: Content, action: Action, placement: Placement, names: TemplateNames
) -> CompiledSlots | None:
    """Compile what a placement shows of a content; ``None`` where nothing is to be filled in.

    Raises :class:`~nba.errors.DefinitionError` where a template does not fit ``names``.
    """
    shown = {name: text for name, text in content.slots.items() if name in placement.slots}
    if not any(map(has_template, shown.values())):
        return None
    compiled = []
    for name, text in shown.items():
        slot = placement.slots[name]
        try:
            compiled.append(compile_slot(name, text, slot, action, content, placement, names))
        except TemplateError as error:
            place = f"content/{content.id}/slots/{name}"
            found = f"column {error.column}: {error.found}"
            raise DefinitionError([Fault(place, found, error.expected)]) from error
    return CompiledSlots(tuple(compiled))


def compile_slot(
    name: str,
    text: str,
    slot: Slot,
    action: Action,
    content: Content,
    placement: Placement,
    names: TemplateNames,
) -> _CompiledSlot:
    """Compile one slot; :class:`TemplateError` where its template does not fit."""
    escape = _ESCAPES[slot.type]
    parts: list[Part] = []
    fallback = ""
    for piece in parse(text):
        if isinstance(piece, str):
            parts.append(piece)
            fallback += piece
            continue
        if slot.type is SlotType.NUMBER:
            _require_number(piece, names)
        if piece.name in _SHOWN:
            said = escape(_worded(piece, _SHOWN[piece.name](action, content, placement)))
            parts.append(said)
            fallback += said
        elif piece.name == DECISION_ID:
            parts.append(_decision_id)
            fallback += "0" * 24
        else:
            parts.append(_read(piece, names.symbol(piece), escape))
            fallback += escape(piece.default or "")
    if slot.max_length and len(fallback) > slot.max_length:
        found = f"{len(fallback)} characters where every value is missing"
        raise TemplateError(1, found, f"at most {slot.max_length}: shorten it, or its defaults")
    return _CompiledSlot(name, tuple(parts), fallback, slot.max_length)


def _require_number(output: Output, names: TemplateNames) -> None:
    symbol = names.schema.get(output.name)
    if symbol is not None and symbol.type is not ValueType.NUMBER:
        found = f"{output.name!r} is a {symbol.type}"
        raise TemplateError(output.column, found, "the slot takes a number")
    try:
        float(output.default or _NUMERIC)
    except ValueError as error:
        found = f"default: {output.default!r}"
        raise TemplateError(output.column, found, "the slot takes a number") from error


def _worded(output: Output, text: str) -> str:
    """Return a constant with its filters applied."""
    if output.digits is not None:
        raise TemplateError(output.column, f"round: {output.name!r} is a text", "leave it out")
    said = output.words.get(text, text)
    return CASES[output.case](said) if output.case else said


def _read(output: Output, symbol: Symbol, escape: Callable[[str], str]) -> Part:
    if output.default is None:
        found = f"{output.name!r} may be missing"
        raise TemplateError(output.column, found, 'say what stands there then: | default: "…"')
    default = escape(output.default)
    if symbol.type is ValueType.NUMBER:
        if output.words or output.case:
            name = "words" if output.words else output.case
            raise TemplateError(
                output.column, f"{name}: {output.name!r} is a number", "round, or nothing"
            )
        return _Counted(symbol.column, output.digits, default)
    if output.digits is not None:
        found = f"round: {output.name!r} is a {symbol.type}"
        raise TemplateError(output.column, found, "words, a case, or nothing")
    is_truth = symbol.type is ValueType.BOOL
    values = _TRUTH if is_truth else symbol.values
    if is_truth and not output.words:
        expected = 'say both in words: | words: true: "…", false: "…"'
        raise TemplateError(output.column, f"{output.name!r} is true or false", expected)
    for word in output.words:
        if word not in values:
            found = f"words: {word!r} is no value of {output.name!r}"
            raise TemplateError(output.column, found, nearest(word, values))
    return _Chosen(symbol.column, _said(output, values, escape, default), default)


def _said(
    output: Output, values: tuple[str, ...], escape: Callable[[str], str], default: str
) -> tuple[str, ...]:
    """Return what to say for each value; where ``words`` are given, those left out are missing."""
    said = []
    for value in values:
        word = output.words.get(value) if output.words else value
        if word is None:
            said.append(default)
        else:
            said.append(escape(CASES[output.case](word) if output.case else word))
    return tuple(said)
