"""Propensity models: their specification, their stored form, and fast exact scoring.

A model is trained elsewhere (:mod:`nba.training`) with LightGBM; here its text is read, bound to a
plan's layout and scored, without LightGBM. The registry is a port with its adapters beside it.
"""

from __future__ import annotations

from nba.models.calibration import Calibration, fit_logistic
from nba.models.forest import Forest
from nba.models.lightgbm_text import parse_lightgbm
from nba.models.loader import load_models
from nba.models.memory import MemoryModelRegistry
from nba.models.propensity import BoundModel, ModelInput, PropensityModel
from nba.models.registry import ModelRegistry
from nba.models.spec import ModelSpec

__all__ = [
    "BoundModel",
    "Calibration",
    "Forest",
    "MemoryModelRegistry",
    "ModelInput",
    "ModelRegistry",
    "ModelSpec",
    "PropensityModel",
    "fit_logistic",
    "load_models",
    "parse_lightgbm",
]
