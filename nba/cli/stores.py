"""Stores that a command opens and that close when it ends."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from nba.bootstrap import open_control

if TYPE_CHECKING:
    from nba.catalog.store import ControlStore
    from nba.settings import Settings

_opened = ExitStack()


def control_of_command(settings: Settings) -> ControlStore:
    """Open the control store for as long as the command runs."""
    return _opened.enter_context(closing(open_control(settings)))


def close_stores() -> None:
    """Close what the command opened."""
    _opened.close()
