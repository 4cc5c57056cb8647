"""Starting one's own project from the reference project."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba.catalog import reference
from nba.catalog.reference import copy_reference, reference_root
from nba.errors import InputError, NotFoundError


def test_a_copy_holds_the_same_files_with_the_same_content(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    made = copy_reference(target)
    assert target / "catalog" / "project.yaml" in made
    assert target / "features" / "events.yaml" in made
    assert target / "policies" / "contact.yaml" in made
    assert target / "models" / "propensity.yaml" in made
    for path in made:
        original = reference_root() / path.relative_to(target)
        assert path.read_bytes() == original.read_bytes()
    assert not [path for path in made if "__pycache__" in path.parts or path.name.startswith(".")]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    assert copy_reference(tmp_path)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"the folder is not empty: it holds 'mine\.txt'"):
        copy_reference(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_no_target(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="it is a file"):
        copy_reference(target)


def test_a_packaged_reference_comes_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "nba" / "reference" / "catalog"
    packaged.mkdir(parents=True)
    monkeypatch.setattr(reference, "_PACKAGE", tmp_path / "nba")
    with pytest.raises(NotFoundError, match="the installation is incomplete"):
        reference_root()
    (packaged / "project.yaml").write_text("project: {}\n", encoding="utf-8")
    assert reference_root() == tmp_path / "nba" / "reference"
    assert copy_reference(tmp_path / "mine") == [tmp_path / "mine" / "catalog" / "project.yaml"]
