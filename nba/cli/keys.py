"""Commands for API keys: make, list, rotate and revoke them, in the control store itself."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nba.access.roles import Permission, Role, Scope
from nba.bootstrap import clock_of, load_settings, open_keys
from nba.cli.output import AsJson, console, print_json
from nba.cli.running import DataDir
from nba.domain.clock import to_rfc3339
from nba.errors import Fault, InputError

if TYPE_CHECKING:
    from nba.access.keys import ApiKey
    from nba.access.service import Issued

_BY = "nba keys"
_LONGEST = timedelta(days=3_650)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

KeyName = Annotated[str, typer.Argument(help="A key's name or id.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    keys = typer.Typer(help="API keys: who may decide, and who may manage.", no_args_is_help=True)
    keys.command()(create)
    keys.command("list")(list_keys)
    keys.command()(rotate)
    keys.command()(revoke)
    app.add_typer(keys, name="keys")


def create(
    name: Annotated[str, typer.Argument(help="Who or what will bear it; the audit trail's word.")],
    scope: Annotated[Scope, typer.Option(help="decide: score and report; manage: the rest.")],
    role: Annotated[list[Role] | None, typer.Option(help="Of a manage key; repeatable.")] = None,
    only: Annotated[
        list[Permission] | None, typer.Option(help="Narrow it to these; repeatable.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="After how long: 90d, 12h, 30m.")] = None,
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    settings = load_settings(data_dir=data)
    expires_at_ms = None
    if expires is not None:
        expires_at_ms = clock_of(settings)() + _milliseconds("--expires", expires)
    with open_keys(settings) as service:
        issued = service.create(
            name, scope, roles=role or (), only=only or (), expires_at_ms=expires_at_ms, by=_BY
        )
    _print_issued(issued, as_json=as_json)


def list_keys(data: DataDir = None, *, as_json: AsJson = False) -> None:
    """List all keys, those that are no longer good too; never their secrets."""
    from nba.access.service import shown

    settings = load_settings(data_dir=data)
    with open_keys(settings) as service:
        keys = service.keys()
    if as_json:
        print_json([shown(key) for key in keys])
        return
    now = clock_of(settings)()
    table = Table(box=None)
    for heading in ("name", "id", "scope", "roles", "state", "last used"):
        table.add_column(heading)
    for key in keys:
        last = "never" if key.last_used_ms is None else to_rfc3339(key.last_used_ms)
        words = ", ".join((*key.roles, *(f"only {word}" for word in key.only)))
        table.add_row(key.name, key.id, key.scope, words, _state(key, now), last)
    console.print(table)


def rotate(
    name: KeyName,
    grace: Annotated[str, typer.Option(help="How long the old secret stays good.")] = "24h",
    data: DataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and print it; the old one stays good for a while."""
    with open_keys(load_settings(data_dir=data)) as service:
        issued = service.rotate(name, grace_ms=_milliseconds("--grace", grace), by=_BY)
    _print_issued(issued, as_json=as_json)


def revoke(name: KeyName, data: DataDir = None, *, as_json: AsJson = False) -> None:
    """End a key for good."""
    from nba.access.service import shown

    with open_keys(load_settings(data_dir=data)) as service:
        key = service.revoke(name, by=_BY)
    if as_json:
        print_json(shown(key))
        return
    console.print(f"key {key.name} ({key.id}) is revoked")


def _print_issued(issued: Issued, *, as_json: bool) -> None:
    from nba.access.service import shown

    if as_json:
        print_json({**shown(issued.key), "key": issued.text})
        return
    console.print(f"key {issued.key.name} ({issued.key.id}); it is not shown again:")
    typer.echo(issued.text)


def _state(key: ApiKey, now: int) -> str:
    if key.revoked_at_ms is not None:
        return f"revoked {to_rfc3339(key.revoked_at_ms)}"
    if key.expires_at_ms is None:
        return "good"
    return (
        f"{'expired' if now >= key.expires_at_ms else 'good until'} {to_rfc3339(key.expires_at_ms)}"
    )


def _milliseconds(place: str, text: str) -> int:
    """Return a duration such as ``90d``; :class:`InputError` where it is none."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text, re.ASCII)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if duration is None or duration > _LONGEST:
        expected = f"a duration up to {_LONGEST.days}d: 90d, 12h or 30m"
        raise InputError([Fault(place, f"found {text!r}", expected)])
    return duration // timedelta(milliseconds=1)
