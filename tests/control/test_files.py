"""Files and objects in step: nothing is lost, and nothing changes that need not."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import write_project

from nba.catalog.objects import Body, ObjectKey, ObjectKind
from nba.catalog.reference import copy_reference
from nba.control.files import pull
from nba.control.yaml_edit import rewrite, written
from nba.decision.project import objects_in

TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x7f\ufeff\u2028\u2029"),
    max_size=8,
)
WORDS = st.sampled_from(
    ["yes", "no", "null", "12", "1.0", "21:00", "2026-01-01", "a: b", "# c", "", "- x", "*a", "ü"]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 99), st.floats(0, 9, width=16), TEXT, WORDS
)
VALUES = st.recursive(
    SCALARS | st.just("two\nlines\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["name", "value", "terms", "slots", "group", "x y", "ü"])
BODIES = st.dictionaries(NAMES, VALUES, max_size=5)


def objects_of(bodies: dict[str, dict[str, Any]]) -> dict[ObjectKey, Body]:
    return {
        ObjectKey(ObjectKind.ACTION, name): {"id": name, **body} for name, body in bodies.items()
    }


SETS = st.dictionaries(st.sampled_from("abcdef"), BODIES, max_size=4)


def in_some_style(objects: dict[ObjectKey, Body], seed: int) -> str:
    """Write objects as a person might: comments, blank lines, flow or block, any indentation."""
    rng = random.Random(seed)
    indent = " " * rng.choice([0, 2, 4])
    lines = ["# What we may do.\n", "actions:\n"] if objects else ["# Nothing.\n", "actions: []\n"]
    for body in objects.values():
        if rng.random() < 0.3:
            lines.append("\n" if rng.random() < 0.5 else f"{indent}# a remark\n")
        flow = rng.random() < 0.3
        dumped = yaml.safe_dump(
            body,
            default_flow_style=flow,
            allow_unicode=rng.random() < 0.5,
            sort_keys=False,
            width=rng.choice([20, 80]),
            indent=rng.choice([2, 4]),
        )
        inner = [line + "\n" for line in dumped.rstrip("\n").split("\n")]
        if rng.random() < 0.3 and not flow:
            inner.insert(1, "# between\n")
        lines += [(f"{indent}- " if n == 0 else f"{indent}  ") + x for n, x in enumerate(inner)]
    return "".join(lines) + rng.choice(["", "\n", "# end\n"])


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(before=SETS, after=SETS, seed=st.integers(0, 99))
def test_whatever_is_pulled_is_there_and_pulling_again_changes_nothing(
    before: dict[str, Any], after: dict[str, Any], seed: int
) -> None:
    with TemporaryDirectory() as name:
        root = Path(name)
        file = root / "catalog" / "a.yaml"
        file.parent.mkdir()
        file.write_text(in_some_style(objects_of(before), seed), encoding="utf-8", newline="")
        held = objects_in(root)
        assert held == objects_of(before)
        assert pull(root, held) == [], "the store says what the files said: not a byte changes"
        wanted = objects_of(after)
        for edit in pull(root, wanted):
            edit.write(root)
        assert objects_in(root) == wanted, "pushing now would change nothing"
        assert pull(root, wanted) == []


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_only_the_lines_of_what_changed_change(data: st.DataObject) -> None:
    names = "abcdef"
    text = "".join(
        f"  # about {name}\n  - id: {name}\n    value: 1  # v\n    {name}: [1]\n\n"
        for name in names
    )
    text = f"# top\nactions:\n{text}other: 'kept as it is'   # really\n"
    old = yaml.safe_load(text)
    new = deepcopy(old)
    changed = data.draw(st.sets(st.sampled_from(names), min_size=1))
    for item in new["actions"]:
        if item["id"] in changed:
            item["value"] = 2
    edited = rewrite(text, old, new, {"actions": "id"})
    pairs = list(zip(text.splitlines(), edited.splitlines(), strict=True))
    assert [(was, now) for was, now in pairs if was != now] == [
        ("    value: 1  # v", "    value: 2  # v")
    ] * len(changed)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files") / "mine"
    copy_reference(root)
    return root


def key(kind: str, name: str) -> ObjectKey:
    return ObjectKey(ObjectKind(kind), name)


def lines_changed(before: str, after: str) -> tuple[list[str], list[str]]:
    was, now = before.splitlines(), after.splitlines()
    return [line for line in was if line not in now], [line for line in now if line not in was]


def test_the_reference_project_is_pulled_object_by_object(reference: Path) -> None:
    objects = objects_in(reference)
    assert pull(reference, objects) == []
    for name in list(objects)[::90]:
        (edit,) = pull(reference, {k: v for k, v in objects.items() if k != name})
        assert edit.path
    changed = deepcopy({k: dict(v) for k, v in objects.items()})
    changed[key("action", "card_apply")]["value"] = 60
    (edit,) = pull(reference, changed)
    assert edit.path == "catalog/actions/credit.yaml"
    assert lines_changed(edit.before, edit.after) == (["    value: 55"], ["    value: 60"])


def test_new_objects_go_to_those_they_are_most_like(reference: Path) -> None:
    objects = dict(objects_in(reference))
    content = {**objects[key("content", "card_apply.email.en")], "id": "card_apply.email.fr"}
    action = {"id": "card_more", "name": "More", "terms": ["product:credit/card"]}
    policy = {"id": "new", "kind": "lever", "description": "d", "weight": 1.1}
    new = {
        key("content", "card_apply.email.fr"): content,
        key("action", "card_more"): action,
        key("policy", "new"): policy,
    }
    paths = [edit.path for edit in pull(reference, {**objects, **new})]
    assert paths == [
        "catalog/actions/credit.yaml",
        "catalog/contents/credit.yaml",
        "policies/learning.yaml",
    ]


def test_what_no_file_has_any_of_gets_a_file_of_its_own(tmp_path: Path) -> None:
    root = write_project(tmp_path / "shop")
    objects = dict(objects_in(root))
    segment = {"name": "old", "description": "Old.", "condition": "customer.age > 60.0"}
    (edit,) = pull(root, {**objects, key("segment", "old"): segment})
    edit.write(root)
    assert (edit.path, edit.before) == ("features/segments.yaml", "")
    assert objects_in(root)[key("segment", "old")] == segment


def test_what_is_written_with_anchors_is_written_out(tmp_path: Path) -> None:
    root = write_project(tmp_path / "shop")
    objects = deepcopy({k: dict(v) for k, v in objects_in(root).items()})
    objects[key("content", "card.en")]["placements"] = ["email.body"]
    for edit in pull(root, objects):
        edit.write(root)
    assert objects_in(root) == objects
    assert objects[key("content", "coat.en")]["placements"] != ["email.body"]


def test_line_breaks_stay_as_they_were() -> None:
    text = "actions:\r\n  - id: a\r\n    value: 1\r\n"
    old = {"actions": [{"id": "a", "value": 1}]}
    new = {"actions": [{"id": "a", "value": 2, "name": "A"}]}
    assert rewrite(text, old, new, {"actions": "id"}) == (
        "actions:\r\n  - id: a\r\n    value: 2\r\n    name: A\r\n"
    )


def test_a_file_without_a_last_line_break_gets_objects_on_lines_of_their_own() -> None:
    old = {"actions": [{"id": "a"}]}
    new = {"actions": [{"id": "a"}, {"id": "b", "terms": ["x"]}]}
    edited = rewrite("actions:\n- id: a", old, new, {"actions": "id"})
    assert edited == "actions:\n- id: a\n- id: b\n  terms:\n    - x"


def test_data_is_written_as_files_have_it() -> None:
    assert written({"a": {"b": ["x", "y: z"], "c": "l1\nl2", "d": "21:00"}}) == (
        "a:\n  b:\n    - x\n    - 'y: z'\n  c: \"l1\\nl2\"\n  d: '21:00'\n"
    )
