"""Who may do what: roles, API keys, bearer tokens, and the gate every request passes."""

from __future__ import annotations

from nba.access.gate import Gate, KeyGate, OpenGate
from nba.access.roles import ROLES, SCOPES, Actor, Permission, Role, Scope

__all__ = ["ROLES", "SCOPES", "Actor", "Gate", "KeyGate", "OpenGate", "Permission", "Role", "Scope"]
