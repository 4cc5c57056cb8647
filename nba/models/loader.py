"""Read ``models/*.yaml``: one propensity model per file, under the top-level key ``model``.

``models/bandit.yaml`` (key ``bandit``) lies in the same folder and is read elsewhere
(:mod:`nba.bandits.settings`).
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from nba.documents import Document, convert, read
from nba.errors import DefinitionError, Fault, InputError
from nba.models.spec import ModelSpec

_MODEL = "model"
_BANDIT = "bandit"


def load_models(
    directory: Path,
    *,
    root: Path,
    faults: list[Fault],
    customer_features: Collection[str] | None = None,
    candidate_features: Collection[str] | None = None,
) -> tuple[ModelSpec, ...]:
    """Read every spec in a folder, in order of file name.

    Places in faults and the paths of model cards are relative to ``root``. A spec with anything
    wrong is left out: a fault in its file, a name given before, a model card that is not there, a
    feature that is not among ``customer_features`` or ``candidate_features`` (where given).
    """
    specs: dict[str, ModelSpec] = {}
    for path in sorted(directory.glob("*.y*ml")):
        try:
            document = read(path, root=root)
        except DefinitionError as error:
            faults.extend(error.faults)
            continue
        if _BANDIT in document.data:
            continue
        before = len(faults)
        spec = _read_spec(document, faults)
        if spec is None:
            continue
        if spec.name in specs:
            found = f"a model named {spec.name!r} was described before"
            faults.append(Fault(document.place(_MODEL, "name"), found, "give each its own name"))
        if not (root / spec.card).is_file():
            found = f"model card {spec.card!r} is not there"
            faults.append(Fault(document.place(_MODEL, "card"), found, "write it or correct it"))
        _check_features(document, "customer_features", spec, customer_features, faults)
        _check_features(document, "candidate_features", spec, candidate_features, faults)
        if len(faults) == before:
            specs[spec.name] = spec
    return tuple(specs.values())


def _read_spec(document: Document, faults: list[Fault]) -> ModelSpec | None:
    for key in document.data:
        if key != _MODEL:
            found = f"found key {key!r}"
            faults.append(Fault(document.place(key), found, f"only {_MODEL!r} belongs here"))
    if _MODEL not in document.data:
        faults.append(Fault(document.place(), f"key {_MODEL!r} is missing", "add it"))
        return None
    try:
        return convert(document, document.data[_MODEL], ModelSpec, faults, _MODEL)
    except InputError as error:
        for fault in error.faults:
            keys = [int(key) if key.isdigit() else key for key in fault.place[1:].split("/")]
            name = ".".join(str(key) for key in (_MODEL, *keys))
            place = document.place(_MODEL, *keys)
            faults.append(Fault(place, f"{name}: {fault.found}", fault.expected))
        return None


def _check_features(
    document: Document,
    key: str,
    spec: ModelSpec,
    known: Collection[str] | None,
    faults: list[Fault],
) -> None:
    if known is None:
        return
    for index, name in enumerate(getattr(spec, key)):
        if name not in known:
            close = get_close_matches(name, known, n=1)
            expected = f"did you mean {close[0]!r}?" if close else "declare it in features/"
            place = document.place(_MODEL, key, index)
            faults.append(Fault(place, f"feature {name!r} is not declared", expected))
