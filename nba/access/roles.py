"""Which role may do what, as one table; a request is let in by permission, never by role.

A permission is what a route asks for, a role is what a person is given, and a scope is the half of
the service an API key is good for: a key handed to a web site can decide and report, and can never
publish, whatever else it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a route asks for; each is asked for by at least one."""

    DECIDE = "decide"
    REPORT = "report"
    WRITE_CUSTOMERS = "write_customers"
    READ_CUSTOMERS = "read_customers"
    EXPORT_CUSTOMERS = "export_customers"
    ERASE_CUSTOMERS = "erase_customers"
    READ_DECISIONS = "read_decisions"
    READ_CATALOG = "read_catalog"
    EDIT_CHANGES = "edit_changes"
    SIMULATE = "simulate"
    APPROVE = "approve"
    PUBLISH = "publish"
    ROLLBACK = "rollback"
    READ_AUDIT = "read_audit"
    READ_METRICS = "read_metrics"
    MANAGE_KEYS = "manage_keys"


class Role(StrEnum):
    """What a person or program is to the service."""

    VIEWER = "viewer"
    MARKETER = "marketer"
    APPROVER = "approver"
    DATA_SCIENTIST = "data_scientist"
    ENGINEER = "engineer"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API key is for."""

    DECIDE = "decide"
    MANAGE = "manage"


_P = Permission

MEANINGS: Mapping[Permission, str] = {
    _P.DECIDE: "ask for decisions",
    _P.REPORT: "report outcomes",
    _P.WRITE_CUSTOMERS: "send events, change profiles and consents",
    _P.READ_CUSTOMERS: "read profiles, timelines and consents, the sensitive hidden",
    _P.EXPORT_CUSTOMERS: "read everything kept of a customer, the sensitive in clear",
    _P.ERASE_CUSTOMERS: "erase a customer everywhere",
    _P.READ_DECISIONS: "read, explain and replay decisions, and read reports on them",
    _P.READ_CATALOG: "read the catalog, policies, plans and change sets",
    _P.EDIT_CHANGES: "make and edit change sets, and submit them",
    _P.SIMULATE: "replay recorded decisions under a change set",
    _P.APPROVE: "approve change sets",
    _P.PUBLISH: "make an approved change set live",
    _P.ROLLBACK: "make an earlier plan live again",
    _P.READ_AUDIT: "read and verify the audit trail",
    _P.READ_METRICS: "read what Prometheus collects",
    _P.MANAGE_KEYS: "make, rotate and revoke API keys",
}
"""What each permission allows."""

_READS = frozenset({_P.READ_CATALOG, _P.READ_DECISIONS, _P.READ_CUSTOMERS})
_EDITS = _READS | {_P.EDIT_CHANGES, _P.SIMULATE}
_DECIDES = frozenset({_P.DECIDE, _P.REPORT, _P.WRITE_CUSTOMERS})

ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _READS,
    Role.MARKETER: _EDITS,
    Role.APPROVER: _EDITS | {_P.APPROVE, _P.PUBLISH, _P.ROLLBACK, _P.READ_AUDIT},
    Role.DATA_SCIENTIST: _READS | {_P.SIMULATE, _P.READ_METRICS},
    Role.ENGINEER: _READS
    | _DECIDES
    | {_P.EXPORT_CUSTOMERS, _P.ERASE_CUSTOMERS, _P.ROLLBACK, _P.READ_AUDIT, _P.READ_METRICS},
    Role.ADMIN: frozenset(Permission),
}
"""What each role may do."""

SCOPES: Mapping[Scope, frozenset[Permission]] = {
    Scope.DECIDE: _DECIDES,
    Scope.MANAGE: frozenset(Permission) - _DECIDES,
}
"""What keys of each scope can do at most; no permission is in both."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: ``name`` is what the audit trail says (``key:NAME``, ``oidc:SUBJECT``)."""

    name: str
    permissions: frozenset[Permission]


ANYBODY = Actor("anybody", frozenset(Permission))
"""Who everybody is where access is open."""


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return what somebody with these roles may do.

    >>> sorted(map(str, permissions_of([Role.VIEWER])))
    ['read_catalog', 'read_customers', 'read_decisions']
    """
    return frozenset[Permission]().union(*(ROLES[role] for role in roles))
