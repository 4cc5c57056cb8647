"""Load ``features/*.yaml``; everything wrong is named with its file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nba.documents import Document, convert, read
from nba.errors import DefinitionError, Fault
from nba.features.checks import event_problems, feature_problems, segment_problems
from nba.features.definitions import EventDefinition, SegmentDefinition
from nba.features.feature_set import FeatureSet
from nba.features.kinds import KINDS, FeatureDefinition
from nba.features.problems import Problem
from nba.features.references import Located, reference_faults

_SECTIONS = ("features", "events", "segments")


def load_features(
    directory: Path,
    *,
    root: Path,
    faults: list[Fault],
    dimensions: Collection[str] | None = None,
) -> FeatureSet | None:
    """Load every definition in a directory, checked as a whole.

    Parameters
    ----------
    directory
        Where the files are.
    root
        What their places in messages are relative to.
    faults
        Takes everything wrong.
    dimensions
        Names of the taxonomy's dimensions; where given, ``action.term:…`` sources are checked.

    Returns
    -------
    FeatureSet or None
        ``None`` where anything is wrong.

    """
    before = len(faults)
    documents = [
        document
        for path in sorted(directory.glob("*.yaml"))
        if (document := _read(path, root, faults)) is not None
    ]
    if not documents and len(faults) == before:
        name = directory.relative_to(root).as_posix()
        faults.append(Fault(f"{name}:1", "no feature files", "*.yaml with a features: list"))
    features = build_features(documents, faults=faults, dimensions=dimensions)
    return features if len(faults) == before else None


def build_features(
    documents: Sequence[Document],
    *,
    faults: list[Fault],
    dimensions: Collection[str] | None = None,
) -> FeatureSet | None:
    """Return what documents declare, wherever they came from; ``None`` where anything is wrong."""
    before = len(faults)
    events = _load_events(documents, faults)
    features = _load_features(documents, events, dimensions, faults)
    segments = _load_segments(documents, faults)
    if len(faults) == before:
        faults.extend(reference_faults(features, events, segments))
    if len(faults) > before:
        return None
    return FeatureSet(
        [item.definition for item in features],
        events.values(),
        segments=sorted((item.definition for item in segments), key=lambda one: one.name),
    )


def _read(path: Path, root: Path, faults: list[Fault]) -> Document | None:
    try:
        document = read(path, root=root)
    except DefinitionError as error:
        faults.extend(error.faults)
        return None
    for key, value in document.data.items():
        if key not in _SECTIONS:
            expected = f"one of: {', '.join(_SECTIONS)}"
            faults.append(Fault(document.place(key), f"unknown key {key!r}", expected))
        elif not isinstance(value, list):
            faults.append(Fault(document.place(key), f"{key} is no list", "a list is expected"))
    return document


def _load_events(
    documents: Iterable[Document], faults: list[Fault]
) -> Mapping[str, EventDefinition]:
    events: dict[str, EventDefinition] = {}
    places: dict[str, str] = {}
    for document in documents:
        for index, item in document.items("events"):
            event = convert(document, item, EventDefinition, faults, "events", index)
            if event is None:
                continue
            _report(document, ("events", index), event_problems(event), faults)
            if _is_new("event", event.name, document.place("events", index), places, faults):
                events[event.name] = event
    return events


def _load_features(
    documents: Iterable[Document],
    events: Mapping[str, EventDefinition],
    dimensions: Collection[str] | None,
    faults: list[Fault],
) -> list[Located[FeatureDefinition]]:
    features: list[Located[FeatureDefinition]] = []
    places: dict[str, str] = {}
    for document in documents:
        for index, item in document.items("features"):
            feature = _convert(document, item, index, faults)
            if feature is None:
                continue
            problems = feature_problems(feature, events, dimensions)
            _report(document, ("features", index), problems, faults)
            if _is_new("feature", feature.name, document.place("features", index), places, faults):
                features.append(Located(feature, document, ("features", index)))
    return features


def _load_segments(
    documents: Iterable[Document], faults: list[Fault]
) -> list[Located[SegmentDefinition]]:
    segments: list[Located[SegmentDefinition]] = []
    places: dict[str, str] = {}
    for document in documents:
        for index, item in document.items("segments"):
            segment = convert(document, item, SegmentDefinition, faults, "segments", index)
            if segment is None:
                continue
            _report(document, ("segments", index), segment_problems(segment), faults)
            place = document.place("segments", index)
            if _is_new("segment", segment.name, place, places, faults):
                segments.append(Located(segment, document, ("segments", index)))
    return segments


def _convert(
    document: Document, item: Any, index: int, faults: list[Fault]
) -> FeatureDefinition | None:
    kind = item.get("kind") if isinstance(item, Mapping) else None
    definition = KINDS.get(kind) if isinstance(kind, str) else None
    if definition is None:
        place = document.place("features", index, "kind")
        found = "a feature without kind" if kind is None else f"kind {kind!r}"
        faults.append(Fault(place, found, f"one of: {', '.join(KINDS)}"))
        return None
    return convert(document, item, definition, faults, "features", index)


def _report(
    document: Document,
    location: tuple[str, int],
    problems: Iterable[Problem],
    faults: list[Fault],
) -> None:
    faults.extend(
        Fault(document.place(*location, problem.key), problem.found, problem.expected)
        for problem in problems
    )


def _is_new(what: str, name: str, place: str, places: dict[str, str], faults: list[Fault]) -> bool:
    first = places.setdefault(name, place)
    if first == place:
        return True
    faults.append(Fault(place, f"{what} {name!r} is declared twice", f"first at {first}"))
    return False
