"""Between a decision and its record: what is written, and what replay reads back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.decision.drawn import DrawnChoice
from nba.decision.situations import DecisionInputs
from nba.domain.decision import DecisionRequest, Mode
from nba.domain.history import unpack_history
from nba.domain.ids import DecisionId
from nba.errors import CorruptRecordError
from nba.features import FeatureSet
from nba.ledger.records import FORMAT, DecisionRecord, Draw, pack, unpack


class _Moded(msgspec.Struct):
    """As much of an answer as says in which mode it was given."""

    mode: Mode


_ordered = msgspec.msgpack.Encoder(order="deterministic")


def pack_request(request: DecisionRequest) -> bytes:
    """Pack a request; equal requests give equal bytes."""
    return _ordered.encode(request)


def pack_record(
    inputs: DecisionInputs,
    *,
    request: bytes,
    plan_version: str,
    draws: Sequence[DrawnChoice],
    answer: bytes,
) -> bytes:
    """Pack everything a decision looked at, how it was drawn, and its answer."""
    return pack(
        DecisionRecord(
            FORMAT,
            inputs.decision_id,
            inputs.request.customer_id,
            inputs.at_ms,
            inputs.seed,
            plan_version,
            request,
            inputs.features.astype("<f4").tobytes(),
            dict(inputs.consents),
            inputs.time_zone,
            inputs.locale,
            inputs.history.packed,
            dict(inputs.shared),
            tuple(_draw(drawn) for drawn in draws),
            answer,
        )
    )


def read_record(packed: bytes) -> DecisionRecord:
    """Read a record back; :class:`CorruptRecordError` where it cannot be."""
    record = unpack(packed, DecisionRecord)
    if record.format != FORMAT:
        raise CorruptRecordError(f"decision record format {record.format}, expected {FORMAT}")
    return record


def is_shadow(record: DecisionRecord) -> bool:
    """Say whether another system decided, and this one only beside it."""
    answer = msgspec.json.decode(record.answer, type=_Moded)
    return answer.mode is Mode.SHADOW


def recorded_features(record: DecisionRecord) -> NDArray[np.float32]:
    """Return the feature row the decision used, ``(n_features,)``."""
    return np.frombuffer(record.features, dtype="<f4").astype(np.float32)


def recorded_inputs(record: DecisionRecord) -> DecisionInputs:
    """Return the inputs the decision had, from its record alone."""
    try:
        request = msgspec.msgpack.decode(record.request, type=DecisionRequest)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(f"cannot read a recorded request: {error}") from error
    return DecisionInputs(
        decision_id=DecisionId(record.decision_id),
        at_ms=record.at_ms,
        seed=record.seed,
        request=request,
        features=recorded_features(record),
        consents=record.consents,
        time_zone=record.time_zone,
        locale=record.locale,
        history=unpack_history(record.history),
        shared=record.shared,
    )


def named_features(features: FeatureSet, row: NDArray[np.float32]) -> dict[str, float | str | None]:
    """Return a feature row by name, enumerations as their values and missing as ``None``."""
    named: dict[str, float | str | None] = {}
    for name, value in zip(features.names, row.tolist(), strict=True):
        if math.isnan(value):
            named[name] = None
        elif name in features.categories:
            named[name] = features.categories[name][int(value)]
        else:
            named[name] = value
    return named


def recorded_variants(drawn: Draw) -> dict[int, float]:
    """Return the chance of each variant a content was drawn from, by row; none where certain."""
    rows = np.frombuffer(drawn.variants, dtype="<u4").tolist()
    chances = np.frombuffer(drawn.variant_probabilities, dtype="<f4").tolist()
    return dict(zip(rows, chances, strict=True))


def _draw(drawn: DrawnChoice) -> Draw:
    content = drawn.content
    competed = content is not None and len(content.variants) > 1
    return Draw(
        drawn.slot.placement.id,
        drawn.rank,
        drawn.kept.astype("<u2").tobytes(),
        drawn.probabilities.astype("<f4").tobytes(),
        content.variants.astype("<u4").tobytes() if content and competed else b"",
        content.probabilities.astype("<f4").tobytes() if content and competed else b"",
    )
