"""The command that prints the JSON Schema of a project's files, for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
import typer


class Files(StrEnum):
    """Files that have a schema."""

    FEATURES = "features"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(schema)


def schema(
    files: Annotated[Files, typer.Argument(help="Which files: those under features/.")],
) -> None:
    """Print the JSON Schema of a project's files, by which editors complete and check them."""
    from nba.features.json_schema import features_schema

    made = {Files.FEATURES: features_schema}[files]()
    typer.echo(msgspec.json.format(msgspec.json.encode(made), indent=2))
