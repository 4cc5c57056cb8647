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
from nba.decision.project import Definitions
from nba.domain.catalog import Catalog
from nba.domain.ids import ModelName
from nba.domain.policy import Policy, Selector
from nba.errors import CorruptRecordError, FaultsError
from nba.features import FeatureSet
from nba.models import ModelSpec, PropensityModel
from nba.policies import policies_from_builtins, policies_to_builtins

FORMAT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSource:
    """What a plan is compiled from; ``models`` pairs each model with what it applies to.

    ``specs`` describe models, those without a live version too: with them the plan can be made
    anew from other models or objects, without any file.
    """

    catalog: Catalog
    features: FeatureSet
    policies: tuple[Policy, ...]
    bandit: BanditSettings
    models: tuple[tuple[Selector, PropensityModel], ...]
    specs: tuple[ModelSpec, ...] = ()

    @property
    def definitions(self) -> Definitions:
        """Everything in it but the models."""
        return Definitions(
            catalog=self.catalog,
            features=self.features,
            policies=self.policies,
            models=self.specs,
            bandit=self.bandit,
        )

    @property
    def model_versions(self) -> Mapping[str, str]:
        """The version of each model by name."""
        return {str(model.name): model.version for _, model in self.models}


def pack_plan(definitions: Definitions, models: Mapping[ModelName, PropensityModel]) -> bytes:
    """Pack definitions and live models; a spec without a live model decides on priors."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "catalog": msgspec.to_builtins(definitions.catalog),
        "features": definitions.features.to_builtins(),
        "policies": policies_to_builtins(definitions.policies),
        "bandit": msgspec.to_builtins(definitions.bandit),
        "models": [
            {
                "spec": msgspec.to_builtins(spec),
                "model": models[spec.name].to_bytes() if spec.name in models else None,
            }
            for spec in definitions.models
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
        specs = tuple(msgspec.convert(entry["spec"], ModelSpec) for entry in content["models"])
        return PlanSource(
            catalog=catalog,
            features=FeatureSet.from_builtins(content["features"], catalog=catalog),
            policies=policies_from_builtins(content["policies"]),
            bandit=msgspec.convert(content["bandit"], BanditSettings),
            models=tuple(
                (spec.applies_to, PropensityModel.from_bytes(entry["model"]))
                for spec, entry in zip(specs, content["models"], strict=True)
                if entry["model"] is not None
            ),
            specs=specs,
        )
    except (msgspec.MsgspecError, FaultsError, KeyError, TypeError) as error:
        raise CorruptRecordError(f"cannot read the plan: {error}") from error


def version_of(artifact: bytes) -> str:
    """Return the version of an artifact: ten hexadecimal digits of its digest."""
    return blake2b(artifact, digest_size=5).hexdigest()
