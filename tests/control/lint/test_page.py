"""The page marketers read lists every finding there is, as the checks declare it."""

from __future__ import annotations

from pathlib import Path

from nba.control.lint import CHECKS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "change-policies-safely.md"


def rows() -> list[str]:
    """Return the table's rows, in the order in which checks are made."""
    return [
        f"| `{code.code}` | {code.severity} | {code.meaning} | {_sentence(code.fix)} |"
        for check in CHECKS
        for code in check.codes
    ]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def test_the_page_lists_every_finding() -> None:
    shown = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert shown == rows(), "\n".join(rows())
