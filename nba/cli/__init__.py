"""The ``nba`` command."""

from __future__ import annotations

import sys

import typer

from nba.cli import (
    asking,
    audiences,
    bandit,
    content,
    control,
    erasing,
    features,
    ingesting,
    keys,
    learning,
    policies,
    projects,
    reporting,
    running,
    schemas,
)
from nba.cli.stores import close_stores
from nba.errors import FaultsError, NbaError

__all__ = ["app", "main"]

app = typer.Typer(
    name="nba",
    help="Next-best-action decisions: what to say to this customer, here, now, or to say nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (
    running,
    projects,
    control,
    policies,
    ingesting,
    content,
    audiences,
    learning,
    bandit,
    features,
    asking,
    erasing,
    reporting,
    schemas,
    keys,
):
    commands.register(app)


def main() -> None:
    """Run the command line; what was asked wrongly is said on standard error, with status 1."""
    try:
        app()
    except FaultsError as error:
        count = len(error.faults)
        heading = f"{count} faults" if count > 1 else "1 fault"
        sys.stderr.write(f"{heading}:\n")
        for fault in error.faults:
            sys.stderr.write(f"  {fault.place}: {fault.found}\n    {fault.expected}\n")
        raise SystemExit(1) from None
    except NbaError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from None
    finally:
        close_stores()
