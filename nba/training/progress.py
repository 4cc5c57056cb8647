"""How long work tells whoever watches how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the stage now at work and the share of the whole already done, 0 to 1."""


def silent(stage: str, done: float) -> None:
    """Tell nobody."""
