"""Write the reference pages that come from the code, or with ``--check`` say which have drifted.

``python -m tools.reference [--check]``. With ``--check`` nothing is written: what differs is shown
and the status is 1.
"""

from __future__ import annotations

import html
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from difflib import unified_diff
from enum import Enum, EnumMeta
from inspect import getdoc
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from nba.access.roles import MEANINGS, ROLES, SCOPES, Permission, Role, Scope
from nba.domain.catalog import MessageClass
from nba.domain.policy import Missing, Policy, Selector
from nba.features.json_schema import features_schema
from nba.policies.kind import PolicyKind
from nba.policies.kinds import KINDS, Validity
from nba.policies.order import CONCERNS, ORDER, SHAPERS
from nba.serving.openapi import openapi_document
from nba.settings import Settings
from tools.features import features_page
from tools.markdown import GENERATED, markdown, page, paragraphs, table

_KINDS: Mapping[str, type[PolicyKind]] = {"validity": Validity, **KINDS}
"""What is written, and what goes without writing."""

ROOT = Path(__file__).resolve().parent.parent

_TYPES: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    timedelta: "duration: `7d`, `12h`, `90m`",
    Missing: "`closed` or `open`",
    tuple[str, ...]: "list of texts",
}


def settings_page() -> str:
    """Return the page of all settings."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`"
        rows.append((f"`NBA_{name.upper()}`", default, field.description or ""))
    return page(
        "Settings",
        "Each is read from the environment when a process starts; `nba up` hands its own to the "
        "processes it starts. Where a store's URL is not set, an embedded one is started under "
        "`NBA_DATA_DIR`.",
        table(("variable", "default", "what it says"), rows),
    )


def commands_page() -> str:
    """Return the page of all commands, as typer itself documents them."""
    command = [sys.executable, "-m", "typer", "nba.cli", "utils", "docs", "--name", "nba"]
    made = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)  # noqa: S603  # our own command line
    text = markdown(html.unescape(made.stdout)).replace("```console", "```text")
    return text.replace("# `nba`\n", f"# Commands\n\n{GENERATED}", 1).rstrip() + "\n"


def policies_page() -> str:
    """Return the page of all policy kinds."""
    concern = [
        (f"`{kind}`", *(str(CONCERNS[kind][message_class]) for message_class in MessageClass))
        for kind in (*ORDER, *SHAPERS)
    ]
    return page(
        "Policies",
        "`policies/*.yaml` holds a list under `policies:`. Kinds that drop candidates are "
        f"evaluated in this order: {', '.join(f'`{kind}`' for kind in ORDER)}. What is left is "
        f"then shaped by {' and '.join(f'`{kind}`' for kind in SHAPERS)}. `no_action` is never "
        "dropped.",
        "## Which messages a kind concerns\n\n"
        + table(("kind", *MessageClass), concern)
        + "\n\n“where named” means: only where the policy's selector names the action or "
        "its message class.",
        "## What every policy has\n\n"
        + _fields(Policy)
        + "\n\nKeys of `applies_to`, all optional:\n\n"
        + _fields(Selector)
        + f"\n\n{paragraphs(getdoc(Selector) or '')}",
        *[_kind(name, _KINDS[name]) for name in (*ORDER, *SHAPERS)],
    )


def access_page() -> str:
    """Return the page of roles, scopes and permissions."""
    heading = ("permission", "it is to", "scope of keys", *(str(role) for role in Role))
    rows = [
        (
            f"`{permission}`",
            MEANINGS[permission],
            next(f"`{scope}`" for scope in Scope if permission in SCOPES[scope]),
            *("yes" if permission in ROLES[role] else "" for role in Role),
        )
        for permission in Permission
    ]
    return page(
        "Access",
        "What each role may do, where `NBA_ACCESS` is `keys`. A key of scope `decide` has no "
        "roles: it may do what is of that scope, or what `--only` leaves of it. A key of scope "
        "`manage` may do what its roles may and is of that scope; a token, what its roles may. "
        "Each operation of the API says in `x-needs` which permission it needs.",
        table(heading, rows),
    )


def _kind(name: str, kind: type[PolicyKind]) -> str:
    shared = {field.name for field in fields(Policy)}
    causes = [(f"`{cause.code}`", cause.meaning) for cause in kind.causes]
    return (
        f"## {name}\n\n{paragraphs(getdoc(kind) or '')}\n\n"
        + _fields(kind, leave_out={*shared, "kind"})
        + "\n\n"
        + table(("reason", "meaning"), causes)
    )


def _fields(kind: type, leave_out: Iterable[str] = ()) -> str:
    hints = get_type_hints(kind)
    rows = []
    for field in fields(kind):
        if field.name in leave_out:
            continue
        required = field.default is MISSING and field.default_factory is MISSING
        default = "required" if required else _default(field.default)
        # A word that Python keeps for itself has an underscore there.
        rows.append((f"`{field.name.rstrip('_')}`", _shown(hints[field.name]), default))
    return table(("field", "type", "default"), rows) if rows else "It has no fields of its own."


def _shown(hint: Any) -> str:
    """Return how a type is called on the page."""
    if hint in _TYPES:
        return _TYPES[hint]
    if hint is Selector:
        return "mapping"
    if is_dataclass(hint):
        return f"mapping of {', '.join(f'`{field.name}`' for field in fields(hint))}"
    if isinstance(hint, EnumMeta):
        members: list[Enum] = list(hint)
        return " or ".join(f"`{member.value}`" for member in members)
    parts = [part for part in get_args(hint) if part not in {Ellipsis, NoneType}]
    if get_origin(hint) is tuple:
        return f"list of: {_shown(parts[0])}"
    return " or ".join(map(_shown, parts)) or "text"


def _default(value: object) -> str:
    if value in ((), "", MISSING):
        return "empty"
    return f"`{value}`"


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/access.md": access_page,
    "docs/reference/cli.md": commands_page,
    "docs/reference/policies.md": policies_page,
    "docs/reference/features.md": features_page,
    "docs/reference/features.schema.json": lambda: json.dumps(features_schema(), indent=2) + "\n",
    "serving/openapi.json": lambda: json.dumps(openapi_document(), indent=2) + "\n",
}
"""What is generated, by its path in the repository."""


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them; return the exit status."""
    drifted = False
    for name, make in PAGES.items():
        path = ROOT / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        made = make()
        if there == made:
            continue
        if "--check" in arguments:
            drifted = True
            lines = unified_diff(
                there.splitlines(), made.splitlines(), name, f"{name} from the code", lineterm=""
            )
            sys.stdout.write("\n".join(lines) + "\n")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, encoding="utf-8")
        sys.stdout.write(f"{name} written\n")
    return int(drifted)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
