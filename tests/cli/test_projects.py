"""``nba init`` and ``nba check``: a project of one's own, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]


@pytest.fixture
def broken(nba: Run, tmp_path: Path) -> tuple[Path, str]:
    """Return a copy of the reference project with one wrong policy, and the place of the fault."""
    project = tmp_path / "mine"
    assert nba("init", project).status == 0
    file = project / "policies" / "eligibility.yaml"
    lines = file.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if "customer.age >= 18" in line)
    lines[at] = lines[at].replace("customer.age", "customer.agee")
    file.write_text("\n".join(lines) + "\n")
    return project, f"policies/eligibility.yaml:{at + 1}"


def test_the_reference_project_has_no_faults(nba: Run) -> None:
    ran = nba("check", "--project", ROOT)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("No faults: ")


def test_check_as_json_counts_what_it_found(nba: Run) -> None:
    found = nba("check", "--project", ROOT, "--json").json
    assert found["faults"] == []
    assert set(found) == {
        *("faults", "actions", "contents", "placements", "features", "policies", "models")
    }
    assert all(found[name] > 0 for name in found if name != "faults")


def test_a_fault_is_told_with_its_file_and_line_on_standard_error(
    nba: Run, broken: tuple[Path, str]
) -> None:
    project, place = broken
    ran = nba("check", "--project", project)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("1 fault:\n")
    assert f"  {place}" in ran.err
    assert "customer.agee" in ran.err
    assert "Traceback" not in ran.err


def test_a_fault_as_json_is_on_standard_output(nba: Run, broken: tuple[Path, str]) -> None:
    project, place = broken
    ran = nba("check", "--project", project, "--json")
    (fault,) = ran.json["faults"]
    assert (ran.status, ran.err) == (1, "")
    assert fault["place"].startswith(place)
    assert set(fault) == {"place", "found", "expected"}


def test_every_fault_is_told_at_once(nba: Run, broken: tuple[Path, str]) -> None:
    project, _ = broken
    (project / "features" / "context.yaml").write_text("features: [\n")
    ran = nba("check", "--project", project, "--json")
    assert ran.status == 1
    assert any(f["place"].startswith("features/context.yaml:") for f in ran.json["faults"])


def test_a_folder_that_is_no_project_is_told_so(nba: Run, tmp_path: Path) -> None:
    ran = nba("check", "--project", tmp_path / "nowhere")
    assert ran.status == 1
    assert "Traceback" not in ran.err
    assert "catalog" in ran.err


def test_init_copies_a_project_that_has_no_faults(nba: Run, tmp_path: Path) -> None:
    project = tmp_path / "mine"
    ran = nba("init", project, "--json")
    assert all((project / file).is_file() for file in ran.json["files"])
    assert nba("check", "--project", project).status == 0


def test_init_overwrites_nothing(nba: Run, tmp_path: Path) -> None:
    kept = tmp_path / "mine" / "catalog" / "project.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    ran = nba("init", tmp_path / "mine")
    assert ran.status == 1
    assert "Traceback" not in ran.err
    assert kept.read_text() == "mine"


def test_a_wrong_setting_is_named_by_its_variable(
    nba: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_PARTITIONS", "many")
    ran = nba("check", "--project", ROOT)
    assert ran.status == 1
    assert "NBA_PARTITIONS: found 'many'" in ran.err


def test_rolling_back_to_a_plan_that_is_not_there_names_those_that_are(nba: Run) -> None:
    ran = nba("rollback", "0123456789")
    assert (ran.status, ran.out) == (1, "")
    assert "there is no plan '0123456789'; the latest are none" in ran.err
