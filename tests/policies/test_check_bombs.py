"""Conditions made to exhaust whoever reads them, as they arrive: in a file of policies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nba.domain.catalog import Catalog
from nba.errors import Fault
from nba.expressions import Schema
from nba.policies import check_policies, load_policies

POLICY = """policies:
  - id: bomb
    description: d
    kind: eligibility
    applies_to: {}
    condition: CONDITION
"""


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (f"{'(' * 2_000}true{')' * 2_000}", "column 33: brackets nested deeper than 32"),
        (f"{'!' * 4_000}true", "column 34: an expression nested deeper than 32"),
        (f"{'- ' * 2_000}1 > 0", "an expression nested deeper than 32"),
        (f"{'true?true:' * 400}true", "an expression nested deeper than 32"),
        ("true &&" * 10_000 + "true", "column 1: an expression of 70,004 characters"),
        (f"1 in [{','.join('1' * 1_001)}]", "column 6: a list of 1,001"),
        (f"customer{'.age' * 1_000} > 1", "column 1: unknown name customer.age.age"),
        ("customer.age.matches('(a+)+$')", "column 1: the call matches() is refused"),
        ("1e999 > 0", "column 1: number 1e999"),
        (f"0x{'f' * 4_000} > 0", "column 1: number 0xfff"),
        (f"{'9' * 400} > 0", "column 1: number 999"),
        ("'" + "\\\\" * 2_000, "column 1: a string that is not closed"),
        ("true\0", "column 5: the character U+0000"),
        ("true \u202e", "column 6: the character U+202E"),
    ],
)
def test_bomb_is_a_fault_at_its_file_and_line(
    tmp_path: Path, catalog: Catalog, schema: Schema, condition: str, found: str
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    text = POLICY.replace("CONDITION", json.dumps(condition))
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    faults: list[Fault] = []
    policies = load_policies(folder, root=tmp_path, faults=faults)
    check_policies(policies, catalog=catalog, schema=schema, faults=faults)
    (fault,) = (str(fault) for fault in faults)
    assert fault.startswith("policies/a.yaml:6: ")
    assert "condition, line 1, " in fault
    assert found in fault
    assert len(fault) < 400
