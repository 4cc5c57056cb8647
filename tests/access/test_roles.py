"""The table of roles: who may do what, worked out by hand."""

from __future__ import annotations

import pytest

from nba.access.roles import (
    ANYBODY,
    MEANINGS,
    ROLES,
    SCOPES,
    Permission,
    Role,
    Scope,
    permissions_of,
)

CHANGES = {"edit_changes", "approve", "publish", "rollback", "manage_keys"}


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, set()),
        (Role.MARKETER, {"edit_changes"}),
        (Role.APPROVER, {"edit_changes", "approve", "publish", "rollback"}),
        (Role.DATA_SCIENTIST, set()),
        (Role.ENGINEER, {"rollback"}),
        (Role.ADMIN, CHANGES),
    ],
)
def test_each_role_changes_only_what_is_its_own(role: Role, may: set[str]) -> None:
    assert CHANGES & set(ROLES[role]) == may


def test_every_role_scope_and_permission_is_in_its_table() -> None:
    assert set(MEANINGS) == set(Permission)
    assert set(ROLES) == set(Role)
    assert set(SCOPES) == set(Scope)


def test_every_permission_is_of_one_scope_only() -> None:
    assert SCOPES[Scope.DECIDE] | SCOPES[Scope.MANAGE] == set(Permission)
    assert not SCOPES[Scope.DECIDE] & SCOPES[Scope.MANAGE]


def test_roles_add_up() -> None:
    both = permissions_of([Role.MARKETER, Role.DATA_SCIENTIST])
    assert both == ROLES[Role.MARKETER] | {Permission.READ_METRICS}
    assert permissions_of([]) == frozenset()


def test_anybody_may_do_everything_where_access_is_open() -> None:
    assert ANYBODY.permissions == set(Permission)
