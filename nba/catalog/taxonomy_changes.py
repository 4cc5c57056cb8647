"""Rename and merge terms, with all below them, in everything that carries or selects by them.

Both are pure: from the bodies of all objects (exactly what their YAML items say) to the bodies that
change. The former paths are kept in the dimension's ``renamed``, so that requests, logs and files
that still use them mean what they meant: :func:`presently` gives what a definition read from such a
file says in present terms.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from nba.catalog.suggestions import nearest
from nba.catalog.taxonomy_checks import TERM_PATH
from nba.domain.policy import Selector
from nba.domain.taxonomy import Taxonomy, is_within
from nba.errors import Fault, InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Body = Mapping[str, Any]
Key = TypeVar("Key", bound=tuple[str, str])
Definition = TypeVar("Definition", bound="DataclassInstance")

_CHANNEL = "channel"
_CARRIERS = ("action", "content", "placement", "policy")
_PROSE = frozenset({"id", "name", "description", "owner", "slots"})
_TERMS = "terms"
_CONDITION = "condition"
_QUOTED = re.compile(r"""(["'])((?:(?!\1)[^\\])*)\1""")


def rename_term(objects: Mapping[Key, Body], dimension: str, old: str, new: str) -> dict[Key, Body]:
    """Return the bodies that change where a term, and all below it, moves to another path.

    ``old`` and ``new`` are paths within the dimension, such as ``credit/card``. A term may be
    renamed back.

    Raises :class:`~nba.errors.InputError` where there is no such term, the new path is no path, is
    taken, lies below the old one, has no parent, or is the former name of another; and for a
    channel in use, under whose name customers' consents are kept.
    """
    place, key, body = _dimension(objects, dimension)
    terms: Mapping[str, str] = body.get("terms", {})
    _require_term(place, old, terms)
    if not TERM_PATH.fullmatch(new):
        expected = "lower-case words of a-z, 0-9 and _, levels separated by /"
        raise _refused(place, f"new path {new!r}", expected)
    if is_within(new, old):
        found = f"{new!r} lies within {old!r} itself" if new != old else f"{new!r} is its name"
        raise _refused(place, found, "another path")
    parent = new.rpartition("/")[0]
    if parent and parent not in terms:
        raise _refused(place, f"no term {parent!r} to put it under", "add that term first")
    moves = {path: new + path[len(old) :] for path in terms if is_within(path, old)}
    former = body.get("renamed", {})
    for path, moved in moves.items():
        if moved in terms and moved not in moves:
            raise _refused(place, f"{moved!r} is a term already", "another path, or a merge")
        if moved in former and former[moved] != path:
            found = f"{moved!r} is the former name of {former[moved]!r}"
            raise _refused(place, found, "another path, so that old records keep their meaning")
    _require_free(place, objects, dimension, moves)
    renamed = {moves.get(path, path): label for path, label in terms.items()}
    return _changed(objects, key, dimension, moves, renamed)


def merge_terms(
    objects: Mapping[Key, Body], dimension: str, sources: Sequence[str], target: str
) -> dict[Key, Body]:
    """Return the bodies that change where terms, and all below them, become part of another.

    What lies below a source lies below the target afterwards; where the target has a term of that
    name already, both become one, with the target's label. What selected a source selects the whole
    target from then on.

    Raises :class:`~nba.errors.InputError` where a term is missing or given twice, a source holds
    the target or another source, and for a channel in use.
    """
    place, key, body = _dimension(objects, dimension)
    terms: Mapping[str, str] = body.get("terms", {})
    if not sources:
        raise _refused(place, "no terms to merge", f"name those that become part of {target!r}")
    _require_term(place, target, terms)
    for position, source in enumerate(sources):
        _require_term(place, source, terms)
        if is_within(target, source):
            expected = "terms that do not hold the target"
            raise _refused(place, f"{source!r} holds {target!r}, or is it", expected)
        for other in sources[:position]:
            if is_within(source, other) or is_within(other, source):
                found = f"{source!r} and {other!r} hold one another"
                raise _refused(place, found, "the upper one alone")
    moves = {
        path: target + path[len(source) :]
        for source in sources
        for path in terms
        if is_within(path, source)
    }
    kept = {path: label for path, label in terms.items() if path not in moves}
    for path, moved in moves.items():
        if moved in moves:
            found = f"{path!r} would become {moved!r}, which moves itself"
            raise _refused(place, found, "one merge after the other")
        kept.setdefault(moved, terms[path])
    former = body.get("renamed", {})
    for path, moved in moves.items():
        if moved not in terms and moved in former and former[moved] != path:
            found = f"{moved!r} is the former name of {former[moved]!r}"
            raise _refused(place, found, "rename what lies below first")
    _require_free(place, objects, dimension, moves)
    return _changed(objects, key, dimension, moves, kept)


def presently(definition: Definition, taxonomy: Taxonomy) -> Definition:
    """Return a policy or model spec with its terms as they are now.

    They are its own, and those of its selectors and conditions. What is no term, and never was
    one, stays as it is.
    """
    changed: dict[str, Any] = {}
    for item in fields(definition):
        value = getattr(definition, item.name)
        present = value
        if isinstance(value, Selector):
            present = replace(
                value,
                terms=taxonomy.present(value.terms),
                except_terms=taxonomy.present(value.except_terms),
            )
        elif item.name == _TERMS:
            present = taxonomy.present(value)
        elif item.name == _CONDITION and isinstance(value, str):
            present = _QUOTED.sub(
                lambda found: f"{found[1]}{taxonomy.resolve(found[2]) or found[2]}{found[1]}", value
            )
        if present != value:
            changed[item.name] = present
    return replace(definition, **changed) if changed else definition


def _refused(place: str, found: str, expected: str) -> InputError:
    return InputError([Fault(place, found, expected)])


def _dimension(objects: Mapping[Key, Body], name: str) -> tuple[str, Key, Body]:
    known = [key[1] for key in objects if key[0] == "dimension"]
    for key, body in objects.items():
        if tuple(key) == ("dimension", name):
            return f"dimension/{name}", key, body
    raise _refused(f"dimension/{name}", f"no dimension {name!r}", nearest(name, known))


def _require_term(place: str, path: str, terms: Collection[str]) -> None:
    if path not in terms:
        raise _refused(place, f"no term {path!r}", nearest(path, terms))


def _require_free(
    place: str, objects: Mapping[Key, Body], dimension: str, moves: Mapping[str, str]
) -> None:
    """Refuse to move a channel that placements are in: consents are kept under its name."""
    if dimension != _CHANNEL:
        return
    for key, body in objects.items():
        channel = body.get("channel") if key[0] == "placement" else None
        if channel in moves:
            found = f"channel {channel!r} is that of placement {key[1]!r}"
            expected = "a channel without placements: customers' consents are kept by its name"
            raise _refused(place, found, expected)


def _changed(
    objects: Mapping[Key, Body],
    key: Key,
    dimension: str,
    moves: Mapping[str, str],
    terms: Mapping[str, str],
) -> dict[Key, Body]:
    body = objects[key]
    former = {
        path: moves.get(present, present) for path, present in body.get("renamed", {}).items()
    }
    renamed = {path: to for path, to in {**former, **moves}.items() if path not in terms}
    changed: dict[Key, Body] = {key: {**body, "terms": dict(terms), "renamed": renamed}}
    whole = {f"{dimension}:{path}": f"{dimension}:{moved}" for path, moved in moves.items()}
    for other, value in objects.items():
        if other[0] not in _CARRIERS:
            continue
        present = _rewritten(value, whole)
        if present != value:
            changed[other] = present
    return changed


def _rewritten(value: Any, moves: Mapping[str, str], *, condition: bool = False) -> Any:
    """Return plain data with terms renamed, in lists each once; prose stays as it is."""
    if isinstance(value, Mapping):
        return {
            name: item if name in _PROSE else _rewritten(item, moves, condition=name == _CONDITION)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        items = [_rewritten(item, moves) for item in value]
        if items == list(value):
            return value
        return [item for place, item in enumerate(items) if item not in items[:place]]
    if not isinstance(value, str):
        return value
    if condition:
        return _QUOTED.sub(
            lambda found: f"{found[1]}{moves.get(found[2], found[2])}{found[1]}", value
        )
    return moves.get(value, value)
