"""``nba content``: which variants are stale, saying they are not, and what a CMS has published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contentful_space import TOKEN, ContentfulSpace, entry, serving

from nba.bootstrap import load_settings, open_control
from nba.control.opening import open_changes
from nba.decision.project import load_project
from nba.worker.publisher import Publisher

Run = Callable[..., Any]

MASTER = "coat.en"
VARIANT = "coat.de"
CATALOG = """
project:
  name: Small
  currency: EUR
  default_locale: en
  locales: [en, de]
  purposes: [marketing]
  stale_content: withhold
taxonomy:
  channel:
    terms: {web: Web}
placements:
  - id: web.banner
    channel: web
    direction: inbound
    slots: {title: {max_length: 30}, url: {type: url}}
actions:
  - {id: no_action, name: Nothing}
  - {id: coat, name: Coat}
"""
CONTENTS = """
# What the coats say; this comment stays.
contents:
  - id: coat.en
    action: coat
    group: coats
    master: true
    placements: [web.banner]
    locale: en
    slots: {title: Warm coats, url: "https://shop.example/en"}
  - id: coat.de
    confirmed_against: "000000000000"  # by whom?
    action: coat
    group: coats
    placements: [web.banner]
    locale: de
    slots: {title: Warme Mäntel, url: "https://shop.example/de"}
  - id: coat.short.en
    action: coat
    placements: [web.banner]
    locale: en
    slots: {title: Warm, url: "https://shop.example/en"}
    group: coats"""
OTHERS = {
    "features/all.yaml": "features: [{name: age, kind: attribute, type: number, description: A.}]",
    "policies/all.yaml": "policies: []",
    "models/bandit.yaml": "bandit: {explorer: greedy, features: [age]}",
}
CONNECTOR = """
connectors:
  - name: cms
    kind: contentful
    url: {url}
    space: halden
    locales: {{en-US: en, de-DE: de}}
    entries:
      offer:
        action: action
        placements: [web.banner]
        slots: {{title: headline, url: link}}
        shared: [link]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project of a small catalog, which commands work on."""
    project = tmp_path / "mine"
    (project / "catalog" / "contents").mkdir(parents=True)
    (project / "catalog" / "all.yaml").write_text(CATALOG, encoding="utf-8")
    contents_of(project).write_text(CONTENTS, encoding="utf-8")
    monkeypatch.setenv("NBA_PROJECT_DIR", str(project))
    return project


def contents_of(project: Path) -> Path:
    return project / "catalog" / "contents" / "coats.yaml"


@pytest.fixture
def space(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContentfulSpace]:
    """Serve a space that the project has a connector to, and its token."""
    space = ContentfulSpace()
    with serving(space) as url:
        text = CONNECTOR.format(url=url)
        (project / "catalog" / "connectors.yaml").write_text(text, encoding="utf-8")
        monkeypatch.setenv("NBA_CMS_TOKENS", f"other=x, cms={TOKEN}")
        yield space


def offer(name: str, text: str, action: str = "coat", **more: Any) -> dict[str, Any]:
    fields = {
        "action": {"en-US": action},
        "headline": {"en-US": text},
        "link": {"en-US": "https://shop.halden.example/en"},
    }
    return entry(name, fields, **more)


def publish(project: Path) -> None:
    """Make the project live, without models."""
    settings = load_settings()
    control = open_control(settings)
    publisher = Publisher(control, None, alias="champion", clock=lambda: 1_780_000_000_000)
    plan = publisher.keep(load_project(project), note="", author="test")
    publisher.make_current(plan.digest, note="", author="test")
    control.close()


def test_status_says_of_each_variant_how_it_stands_to_its_master(nba: Run, project: Path) -> None:
    ran = nba("content", "status")
    assert (ran.status, ran.err) == (0, "")
    assert [line.rstrip().split(maxsplit=4) for line in ran.out.splitlines()] == [
        ["content", "group", "locale", "master", "state"],
        ["coat.de", "coats", "de", "coat.en", "stale, withheld"],
        ["coat.short.en", "coats", "en", "coat.en", "never confirmed, withheld"],
        ["2", "of", "2", "variants", "are to be looked at."],
    ]
    found = nba("content", "status", "--json").json
    assert [(one["content"], one["is_stale"]) for one in found] == [
        ("coat.de", True),
        ("coat.short.en", True),
    ]


def test_confirming_in_files_changes_their_lines_and_no_other(nba: Run, project: Path) -> None:
    ran = nba("content", "confirm", "--group", "coats", "--json")
    assert (ran.status, ran.json) == (0, {"confirmed": [VARIANT, "coat.short.en"]})
    fingerprint = nba("content", "status", "--json").json[0]["master_fingerprint"]
    line = f'    confirmed_against: "{fingerprint}"\n'
    expected = CONTENTS.replace('    confirmed_against: "000000000000"  # by whom?\n', line)
    assert contents_of(project).read_text(encoding="utf-8") == f"{expected}\n{line}"
    assert "0 of 2 variants are to be looked at." in nba("content", "status").out
    assert nba("content", "confirm", VARIANT).out == "0 variants are confirmed.\n"


def test_a_variant_is_stale_once_its_master_says_something_else(nba: Run, project: Path) -> None:
    assert nba("content", "confirm", VARIANT).status == 0
    text = contents_of(project).read_text(encoding="utf-8")
    contents_of(project).write_text(text.replace("Warm coats", "Warmer coats"), encoding="utf-8")
    assert "2 of 2 variants" in nba("content", "status").out


def test_an_item_in_one_line_is_not_edited(nba: Run, project: Path) -> None:
    path = project / "catalog" / "contents" / "more.yaml"
    path.write_text(
        "contents:\n  - {id: coat.fax, action: coat, group: coats, placements: [], locale: de}\n",
        encoding="utf-8",
    )
    ran = nba("content", "confirm", "coat.fax")
    assert ran.status == 1
    assert "catalog/contents/more.yaml:2: content 'coat.fax' is written in one line" in ran.err


def test_what_cannot_be_read_is_told_before_anything_is_said(nba: Run, project: Path) -> None:
    path = contents_of(project)
    path.write_text(CONTENTS.replace('"000000000000"', "000000000000"), encoding="utf-8")
    for words in (("status",), ("confirm", VARIANT)):
        ran = nba("content", *words)
        assert (ran.status, ran.out) == (1, "")
        assert "catalog/contents/coats.yaml:12: contents.1.confirmed_against" in ran.err


def test_what_cannot_be_confirmed_is_told(nba: Run, project: Path) -> None:
    assert "content/coat.en: it is the master" in (nba("content", "confirm", MASTER).err)
    near = nba("content", "confirm", "--group", "coat")
    assert "did you mean 'coats'?" in near.err
    assert "nothing to confirm" in nba("content", "confirm").err


def test_sync_writes_a_file_of_its_own_and_keeps_to_it(
    nba: Run, project: Path, space: ContentfulSpace
) -> None:
    path = project / "catalog" / "contents" / "cms.yaml"
    space.publish(offer("a", "Warm coats"))
    space.publish(offer("b", "Cold coats"))
    first = nba("content", "sync", "cms", "--json")
    assert (first.status, first.json["put"]) == (0, ["cms.a.en", "cms.b.en"])
    space.publish(offer("a", "Warmer coats", revision=2))
    space.take_back("b")
    second = nba("content", "sync", "cms", "--json").json
    assert second == {"put": ["cms.a.en"], "retired": ["cms.b.en"], "unchanged": 0, "faults": []}
    assert "Warmer coats" in path.read_text(encoding="utf-8")
    assert "cms.b.en" not in path.read_text(encoding="utf-8")
    requests = len(space.requests)
    third = nba("content", "sync", "cms", "--json").json
    assert (third["put"], third["retired"]) == ([], [])
    assert len(space.requests) == requests + 1
    assert "sync_token" in space.requests[-1]
    assert nba("content", "sync", "cms", "--full", "--json").json["unchanged"] == 1


def test_an_entry_that_is_not_right_is_told_and_looked_at_again(
    nba: Run, project: Path, space: ContentfulSpace
) -> None:
    space.publish(offer("a", "Warm coats"))
    space.publish(offer("b", "Cold coats", action="cout"))
    ran = nba("content", "sync", "cms")
    assert ran.status == 1
    assert "1 contents put" in ran.out
    assert "entry/b/action: action 'cout' is not in the catalog" in ran.err
    space.publish(offer("b", "Cold coats", revision=2))
    again = nba("content", "sync", "cms", "--json").json
    assert (again["put"], again["unchanged"], again["faults"]) == (["cms.b.en"], 1, [])


def test_a_content_moved_to_another_file_is_not_written_twice(
    nba: Run, project: Path, space: ContentfulSpace
) -> None:
    space.publish(offer("a", "Warm coats"))
    nba("content", "sync", "cms")
    folder = project / "catalog" / "contents"
    (folder / "cms.yaml").rename(folder / "mine.yaml")
    space.publish(offer("b", "Cold coats"))
    ran = nba("content", "sync", "cms")
    assert ran.status == 1
    assert "content 'cms.a.en' is not in catalog/contents/cms.yaml" in ran.err


def test_sync_needs_a_connector_that_is_declared_and_its_token(
    nba: Run, project: Path, space: ContentfulSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no connector 'csm' in catalog; known: cms" in nba("content", "sync", "csm").err
    monkeypatch.setenv("NBA_CMS_TOKENS", "other=x")
    assert "set it to cms=<token>" in nba("content", "sync", "cms").err
    monkeypatch.delenv("NBA_CMS_TOKENS")
    assert "NBA_CMS_TOKENS: no token for connector 'cms'" in nba("content", "sync", "cms").err
    assert space.requests == []


def test_content_goes_into_a_change_set_and_is_live_once_that_is_published(
    nba: Run, tmp_path: Path, space: ContentfulSpace, project: Path
) -> None:
    for name, text in OTHERS.items():
        (project / name).parent.mkdir()
        (project / name).write_text(text, encoding="utf-8")
    publish(project)
    control = open_control(load_settings())
    service = open_changes(load_settings(), control)
    change = service.create("From the CMS", "", "ada")
    space.publish(offer("a", "Warm coats"))
    synced = nba("content", "sync", "cms", "--change", change.id, "--author", "ada", "--json")
    assert (synced.status, synced.json["put"]) == (0, ["cms.a.en"])
    confirmed = nba("content", "confirm", VARIANT, "--change", change.id, "--author", "ada")
    assert confirmed.out == "1 variants are confirmed.\n"
    assert not (project / "catalog" / "contents" / "cms.yaml").exists()
    again = nba("content", "sync", "cms", "--change", change.id, "--full", "--json").json
    assert again == {"put": [], "retired": [], "unchanged": 1, "faults": []}
    service.submit(change.id, "ada")
    service.approve(change.id, "grace")
    service.publish(change.id, "grace")
    found = nba("content", "status", "--live", "--json").json
    assert {one["content"]: one["is_stale"] for one in found} == {
        VARIANT: False,
        "coat.short.en": True,
    }
    control.close()
