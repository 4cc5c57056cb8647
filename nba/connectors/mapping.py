"""From entries of a content management system to the bodies of contents, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nba.catalog.declarations import Connection, EntryMapping
from nba.catalog.slots import slot_problems
from nba.catalog.suggestions import nearest
from nba.connectors.port import Entry
from nba.domain.catalog import Catalog
from nba.domain.ids import MAX_ID_LENGTH, NO_ACTION
from nba.domain.validity import validity_faults
from nba.errors import Fault

Body = Mapping[str, Any]


class EntryReader:
    """Makes contents of entries, as one connection says, for one catalog."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        self._default_locale = catalog.default_locale
        self._actions = {action.id for action in catalog.actions} - {NO_ACTION}
        self._placements = {str(item.id): item for item in catalog.placements}
        self._shared_locale = next(iter(connection.locales))

    def contents(self, entry: Entry, faults: list[Fault]) -> Iterator[tuple[str, Body | None]]:
        """Yield the id and body of the content in each locale the entry is written in.

        The body is ``None`` where it is not right, with a fault that says why. An entry of a type
        that is not mapped gives none.
        """
        mapping = self._connection.entries.get(entry.kind)
        if mapping is None:
            return
        before = len(faults)
        common = self._common(entry, mapping, faults)
        if mapping.master and not self._has_master(entry, mapping):
            found = f"not written in {self._default_locale!r}"
            faults.append(Fault(_place(entry), found, "the master of the others is expected"))
        is_sound = len(faults) == before
        for theirs, ours in self._connection.locales.items():
            if not _is_written(entry, mapping, theirs):
                continue
            before = len(faults)
            identifier = f"{self._connection.name}.{entry.id}.{ours}"
            if len(identifier) > MAX_ID_LENGTH:
                found = f"content id {identifier!r} of {len(identifier)} characters"
                faults.append(Fault(_place(entry), found, f"at most {MAX_ID_LENGTH}"))
            slots = self._slots(entry, mapping, theirs, faults)
            if not is_sound or len(faults) > before:
                yield identifier, None
                continue
            body = {"id": identifier, **common, "locale": ours, "slots": slots}
            if mapping.master and ours == self._default_locale:
                body["master"] = True
            yield identifier, body

    def _common(self, entry: Entry, mapping: EntryMapping, faults: list[Fault]) -> dict[str, Any]:
        """Return what all locales of an entry have in common."""
        action = self._text(entry, mapping.action, faults)
        if action and action not in self._actions:
            found = f"action {action!r} is not in the catalog"
            faults.append(
                Fault(_place(entry, mapping.action), found, nearest(action, self._actions))
            )
        body: dict[str, Any] = {
            "action": action,
            "group": f"{self._connection.name}.{entry.id}",
            "placements": list(mapping.placements),
        }
        if mapping.group and mapping.group in entry.fields:
            body["group"] = self._text(entry, mapping.group, faults)
        if mapping.terms:
            body["terms"] = list(mapping.terms)
        for key, name in (("starts", mapping.starts), ("ends", mapping.ends)):
            if name and entry.fields.get(name):
                body[key] = self._text(entry, name, faults)
        dates = {"starts": mapping.starts, "ends": mapping.ends}
        for key, found, expected in validity_faults(body.get("starts", ""), body.get("ends", "")):
            faults.append(Fault(_place(entry, dates[key]), found, expected))
        source = {"source": self._connection.name, "external_id": entry.id}
        return {**body, **source, "revision": entry.revision}

    def _has_master(self, entry: Entry, mapping: EntryMapping) -> bool:
        return any(
            ours == self._default_locale and _is_written(entry, mapping, theirs)
            for theirs, ours in self._connection.locales.items()
        )

    def _text(self, entry: Entry, name: str, faults: list[Fault]) -> str:
        """Return what a field says that is the same in all locales."""
        said = entry.fields.get(name, {}).get(self._shared_locale)
        text = _worded(said)
        if not text:
            place = _place(entry, name, self._shared_locale)
            faults.append(Fault(place, _shown(said), "plain text is expected"))
        return text or ""

    def _slots(
        self, entry: Entry, mapping: EntryMapping, locale: str, faults: list[Fault]
    ) -> dict[str, str]:
        here = [self._placements[name] for name in mapping.placements]
        slots = {}
        for name, field in mapping.slots.items():
            where = self._shared_locale if field in mapping.shared else locale
            place = _place(entry, field, where)
            wanted = [placement.slots[name] for placement in here if name in placement.slots]
            said = entry.fields.get(field, {}).get(where)
            text = _worded(said)
            if text:
                slots[name] = text
                problems = [problem for slot in wanted for problem in slot_problems(text, slot)]
                faults.extend(Fault(place, *problem) for problem in dict.fromkeys(problems))
            elif text is None or any(slot.required for slot in wanted):
                expected = f"plain text for the slot {name!r} is expected"
                faults.append(Fault(place, _shown(said), expected))
        return slots


def _is_written(entry: Entry, mapping: EntryMapping, locale: str) -> bool:
    """Say whether an entry is in a locale: any field that may differ by locale says something."""
    own = [field for field in mapping.slots.values() if field not in mapping.shared]
    return any(entry.fields.get(field, {}).get(locale) not in (None, "") for field in own)


def _place(entry: Entry, *inner: str) -> str:
    return "/".join(("entry", entry.id, *inner))


def _worded(said: Any) -> str | None:
    """Return a text, number or truth as text, and nothing as none; ``None`` for anything else."""
    if said is None:
        return ""
    if isinstance(said, bool):
        return "true" if said else "false"
    if isinstance(said, str):
        return said.strip()
    if isinstance(said, int | float):
        return f"{said}"
    return None


def _shown(said: Any) -> str:
    if said is None or said == "":
        return "it says nothing"
    return f"found {type(said).__name__} {said!r}"[:80]
