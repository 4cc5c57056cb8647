"""Reading YAML: every fault with its file and line, and places of every node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from nba.documents import convert, read
from nba.errors import DefinitionError, Fault

TEXT = """\
policies:
  - id: one
    limit: 3
  - id: two
    window:
      days: seven
"""


def write(root: Path, text: str | bytes) -> Path:
    path = root / "policies" / "caps.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults_of(root: Path, text: str | bytes) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read(write(root, text), root=root)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ((), 1),
        (("policies",), 1),
        (("policies", 0), 2),
        (("policies", 0, "limit"), 3),
        (("policies", 1, "window", "days"), 6),
        (("policies", 1, "window", "weeks", "deeper"), 5),
        (("policies", 1, "absent"), 4),
        (("policies", 9), 1),
    ],
)
def test_the_place_of_a_node_is_its_line_or_that_of_the_nearest_above(
    tmp_path: Path, location: tuple[str | int, ...], line: int
):
    document = read(write(tmp_path, TEXT), root=tmp_path)
    assert document.place(*location) == f"policies/caps.yaml:{line}"


def test_items_are_those_of_a_list_and_none_of_anything_else(tmp_path: Path):
    document = read(write(tmp_path, "a: [x, y]\nb: 3\n"), root=tmp_path)
    assert list(document.items("a")) == [(0, "x"), (1, "y")]
    assert list(document.items("b")) == list(document.items("c")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: [1\nc: 2\n", "policies/caps.yaml:3: not readable as YAML"),
        ("- a\n", "policies/caps.yaml:1: found list; a mapping is expected at the top"),
        ("", "policies/caps.yaml:1: found NoneType; a mapping is expected at the top"),
        ("a: 1\nb: 2\na: 3\n", "policies/caps.yaml:3: key 'a' "),
        ("a:\n  x: 1\n  x: 2\n", "policies/caps.yaml:3: key 'x' "),
        (b"a: \xff\xfe\n", "policies/caps.yaml:1: not readable as YAML"),
        ("a: !!python/object:os.system x\n", "policies/caps.yaml:1: not readable as YAML"),
        ("a: &x [*x]\n", "policies/caps.yaml:1: an alias holds itself"),
    ],
)
def test_what_is_not_a_plain_mapping_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, fault: str
):
    faults = faults_of(tmp_path, text)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


@dataclass(frozen=True)
class Cap:
    """Something to convert to."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # as the domain's types have it

    id: str
    limit: int


def test_every_fault_of_a_value_is_told_with_its_line_and_what_was_found(tmp_path: Path):
    document = read(write(tmp_path, "caps:\n  - limit: many\n    limt: 3\n"), root=tmp_path)
    faults: list[Fault] = []
    assert convert(document, document.data["caps"][0], Cap, faults, "caps", 0) is None
    assert sorted((fault.place, fault.found, fault.expected) for fault in faults) == [
        ("policies/caps.yaml:2", "caps.0.id: Field required", "add it"),
        (
            "policies/caps.yaml:2",
            (
                "caps.0.limit: Input should be a valid integer, unable to parse string as an "
                "integer, found 'many'"
            ),
            "correct the value",
        ),
        (
            "policies/caps.yaml:3",
            "caps.0.limt: Unexpected keyword argument",
            "remove it or correct its name",
        ),
    ]


def test_a_good_value_is_converted_and_adds_no_fault(tmp_path: Path):
    document = read(write(tmp_path, "caps:\n  - {id: a, limit: 3}\n"), root=tmp_path)
    faults: list[Fault] = []
    assert convert(document, document.data["caps"][0], Cap, faults, "caps", 0) == Cap("a", 3)
    assert faults == []


def test_dates_are_the_text_they_are_written_as(tmp_path: Path) -> None:
    text = "launched_on: 2025-06-14\nat: 2025-06-14T10:00:00Z\nquoted: '2025-06-14'\nyear: 2025\n"
    assert read(write(tmp_path, text), root=tmp_path).data == {
        "launched_on": "2025-06-14",
        "at": "2025-06-14T10:00:00Z",
        "quoted": "2025-06-14",
        "year": 2025,
    }
