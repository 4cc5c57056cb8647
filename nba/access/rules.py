"""What settings of access may be together; nothing is served where they do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from nba.access.hosts import is_loopback, is_safe_url
from nba.errors import DefinitionError, Fault
from nba.settings import Settings


def require_access(settings: Settings) -> None:
    """Raise :class:`DefinitionError` where it is not clear, or not safe, who is let in."""
    if faults := list(_faults(settings)):
        raise DefinitionError(faults)


def _faults(settings: Settings) -> Iterator[Fault]:
    if settings.access is None and not is_loopback(settings.host):
        yield Fault(
            "NBA_ACCESS",
            f"it is unset, and NBA_HOST={settings.host} lets other machines in",
            "keys, and make one with `nba keys create`; or open, if everybody who reaches this "
            "address may do everything",
        )
    if settings.oidc_issuer is None:
        if settings.oidc_audience is not None:
            yield Fault("NBA_OIDC_ISSUER", "it is unset, and NBA_OIDC_AUDIENCE is set", "set both")
        return
    if settings.access != "keys":
        found = f"found {settings.access or 'nothing'}, and NBA_OIDC_ISSUER is set"
        yield Fault("NBA_ACCESS", found, "keys: where access is open, no token is looked at")
    if settings.oidc_audience is None:
        yield Fault("NBA_OIDC_AUDIENCE", "it is unset, and NBA_OIDC_ISSUER is set", "set both")
    if not is_safe_url(settings.oidc_issuer):
        yield Fault("NBA_OIDC_ISSUER", f"found {settings.oidc_issuer!r}", "an https URL")
