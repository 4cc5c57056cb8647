"""The plan's artifact: everything a decision depends on that is not the customer, as one blob.

Its version is the digest of its bytes, so the same definitions and models are the same plan
wherever they are compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from nba.bandits import BanditSettings
from nba.decision.project import Project
from nba.domain.catalog import Catalog
from nba.domain.ids import ModelName
from nba.domain.policy import Policy, Selector
from nba.errors import CorruptRecordError
from nba.features import FeatureSet
from nba.models import PropensityModel
from nba.policies import policies_from_builtins, policies_to_builtins

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSource:
    """What a plan is compiled from; ``models`` pairs each model with what it applies to."""

    catalog: Catalog
    features: FeatureSet
    policies: tuple[Policy, ...]
    bandit: BanditSettings
    models: tuple[tuple[Selector, PropensityModel], ...]

    @property
    def model_versions(self) -> Mapping[str, str]:
        """The version of each model by name."""
        return {str(model.name): model.version for _, model in self.models}


def pack_plan(project: Project, models: Mapping[ModelName, PropensityModel]) -> bytes:
    """Pack a project and its live models; a spec without a live model decides on priors."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "catalog": msgspec.to_builtins(project.catalog),
        "features": project.features.to_builtins(),
        "policies": policies_to_builtins(project.policies),
        "bandit": msgspec.to_builtins(project.bandit),
        "models": [
            {
                "applies_to": msgspec.to_builtins(spec.applies_to),
                "model": models[spec.name].to_bytes(),
            }
            for spec in project.models
            if spec.name in models
        ],
    }
    return msgspec.msgpack.encode(content)


def unpack_plan(artifact: bytes) -> PlanSource:
    """Read an artifact back; :class:`CorruptRecordError` where it is not one of this format."""
    try:
        content = msgspec.msgpack.decode(artifact)
        if content["format"] != FORMAT:
            raise CorruptRecordError(f"plan format {content['format']}, expected {FORMAT}")
        catalog = msgspec.convert(content["catalog"], Catalog)
        return PlanSource(
            catalog=catalog,
            features=FeatureSet.from_builtins(content["features"], catalog=catalog),
            policies=policies_from_builtins(content["policies"]),
            bandit=msgspec.convert(content["bandit"], BanditSettings),
            models=tuple(
                (
                    msgspec.convert(entry["applies_to"], Selector),
                    PropensityModel.from_bytes(entry["model"]),
                )
                for entry in content["models"]
            ),
        )
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise CorruptRecordError(f"cannot read the plan: {error}") from error


def version_of(artifact: bytes) -> str:
    """Return the version of an artifact: ten hexadecimal digits of its digest."""
    return blake2b(artifact, digest_size=5).hexdigest()
