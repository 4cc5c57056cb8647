"""Contents, their groups, references, typed slots and terms: every fault where it is."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from nba.catalog.content_checks import check_templates
from nba.catalog.loader import assemble, read_catalog
from nba.catalog.rendering import TemplateNames
from nba.domain.catalog import Catalog, SlotType, StaleContent
from nba.errors import Fault
from nba.expressions import Level, Symbol, ValueType

PROJECT = """\
    project:
      name: Small
      currency: EUR
      default_locale: en
      locales: [en, de]
      purposes: [marketing]
      stale_content: withhold
    taxonomy:
      product:
        required_for: [action, content]
        renamed: {clothes: fashion}
        terms: {fashion: Fashion, home: Home}
      area:
        required_for: [placement]
        terms: {shop: Shop}
      channel:
        terms: {web: Web, app: App}
    placements:
      - id: web.hero
        channel: web
        direction: inbound
        terms: [area:shop]
        slots:
          title: {max_length: 20}
          url: {type: url}
          note: {required: false, type: html}
      - id: app.card
        channel: app
        direction: inbound
        terms: [area:shop]
        references: [cms]
    actions:
      - {id: no_action, name: Nothing}
      - id: coat
        name: Coat
        terms: [product:clothes]
    """
CONTENTS = """\
    contents:
      - id: coat.en
        action: coat
        group: coats
        master: true
        placements: [web.hero]
        locale: en
        terms: [product:fashion]
        slots:
          title: A coat
          url: https://a.example/
      - id: coat.de
        action: coat
        group: coats
        confirmed_against: "0123456789ab"
        placements: [web.hero]
        locale: de
        terms: [product:fashion]
        slots:
          title: Ein Mantel
          url: https://a.example/?{{ action.id }}
      - id: coat.app
        action: coat
        group: coats.app
        placements: [app.card]
        locale: en
        terms: [product:fashion]
        source: cms
        external_id: "7"
    """


def load(root: Path, old: str = "", new: str = "") -> tuple[Catalog | None, list[str]]:
    folder = root / "catalog"
    folder.mkdir()
    found = 0
    for name, text in (("a.yaml", PROJECT), ("b.yaml", CONTENTS)):
        content = dedent(text)
        found += content.count(old) if old else 1
        (folder / name).write_text(content.replace(old, new) if old else content, encoding="utf-8")
    assert found in {1, 2}, f"{old!r} is there {found} times"
    faults: list[Fault] = []
    catalog = assemble(read_catalog(folder, root=root), faults)
    return catalog, [str(fault) for fault in faults]


def test_what_is_right_is_read_as_written(tmp_path: Path) -> None:
    catalog, faults = load(tmp_path)
    assert faults == []
    assert catalog is not None
    assert catalog.stale_content is StaleContent.WITHHOLD
    assert catalog.withheld == {"coat.de"}
    assert catalog.actions[1].terms == ("product:fashion",)  # by its former name in the file
    slots = catalog.placements[0].slots
    assert [(name, slot.type, slot.required) for name, slot in slots.items()] == [
        ("title", SlotType.TEXT, True),
        ("url", SlotType.URL, True),
        ("note", SlotType.HTML, False),
    ]
    app = catalog.contents[2]
    assert app.is_by_reference
    assert app.shown == {"source": "cms", "external_id": "7"}


FAULTS = [
    # old text, new text, what is said about it
    ("renamed: {clothes: fashion}", "renamed: {clothes: shoes}",
     ("catalog/a.yaml:11: 'clothes' was renamed to 'shoes', which is no term; "
     "known: fashion, home\n"
     "catalog/a.yaml:36: term 'product:clothes' is not in the taxonomy; "
     "did you mean 'product:home'?")),
    ("renamed: {clothes: fashion}", "renamed: {clothes: b, b: clothes}",
     ("catalog/a.yaml:11: 'clothes' was renamed in a circle; let it end in a term\n"
     "catalog/a.yaml:11: 'b' was renamed in a circle; let it end in a term\n"
     "catalog/a.yaml:36: term 'product:clothes' is not in the taxonomy; "
     "did you mean 'product:home'?")),
    ("renamed: {clothes: fashion}", "renamed: {clothes: fashion, home: fashion}",
     "catalog/a.yaml:11: 'home' is a term and the former name of 'fashion'; let it be one of both"),
    ("renamed: {clothes: fashion}", "renamed: {clothes: fashion, My Clothes: fashion}",
     ("catalog/a.yaml:11: former term 'My Clothes'; "
     "lower-case words of a-z, 0-9 and _, levels separated by /")),
    ("  area:", "  Area:",
     ("catalog/a.yaml:13: dimension 'Area'; a word of a-z, 0-9 and _, a letter first\n"
     "catalog/a.yaml:22: term 'area:shop' is not in the taxonomy; did you mean 'Area:shop'?\n"
     "catalog/a.yaml:22: placement 'web.hero' has no term in 'Area'; add a term Area:…\n"
     "catalog/a.yaml:30: term 'area:shop' is not in the taxonomy; did you mean 'Area:shop'?\n"
     "catalog/a.yaml:30: placement 'app.card' has no term in 'Area'; add a term Area:…")),
    ("required_for: [placement]", "required_for: [model]",
     ("catalog/a.yaml:14: taxonomy.area.required_for.0: Input should be 'action', 'content', "
     "'placement' or 'policy', found 'model'; correct the value")),
    ("    terms: [area:shop]\n    references: [cms]", "    references: [cms]",
     "catalog/a.yaml:27: placement 'app.card' has no term in 'area'; add a term area:…"),
    ("    references: [cms]\n", "",
     ("catalog/a.yaml:27: placement 'app.card' has no slots; list its slots\n"
     "catalog/b.yaml:28: 'app.card' shows no contents of 'cms' by reference; "
     "write out its slots, or name a source it knows: none")),
    ("{max_length: 20}", "{max_length: -1}",
     "catalog/a.yaml:24: max_length -1; 1 to 20000, or 0 for no bound"),
    ("{max_length: 20}", "{max_length: 5}",
     ("catalog/b.yaml:10: slot 'title' in 'web.hero': 6 characters; at most 5 are expected\n"
     "catalog/b.yaml:20: slot 'title' in 'web.hero': 10 characters; at most 5 are expected")),
    ("{type: url}", "{type: url, schemes: [https, javascript]}",
     "catalog/a.yaml:25: scheme 'javascript'; a harmless one, such as https"),
    ("{type: url}", "{type: link}",
     ("catalog/a.yaml:25: placements.0.slots.url.type: Input should be 'text', 'html', 'url', "
     "'image' or 'number', found 'link'; correct the value")),
    ("      note:", "      My Note:",
     "catalog/a.yaml:26: slot 'My Note'; a word of a-z, 0-9 and _, a letter first"),
    ("title: A coat", "title: A <b>coat</b>",
     ("catalog/b.yaml:10: slot 'title' in 'web.hero': markup, '<b'; "
     "plain text, or a slot of type html")),
    ("title: A coat", "title: A coat\n      notes: Warm",
     "catalog/b.yaml:11: slot 'notes' is shown in none of its placements; did you mean 'note'?"),
    ("title: A coat", "title: A coat\n      note: <i>Warm",
     "catalog/b.yaml:11: slot 'note' in 'web.hero': <i> is not closed; add </i>"),
    ('confirmed_against: "0123456789ab"', "confirmed_against: yesterday",
     ("catalog/b.yaml:15: confirmed_against 'yesterday'; "
     "what `nba content confirm` writes: 12 hexadecimal digits")),
    ("    master: true\n", "",
     ("catalog/b.yaml:14: group 'coats' has no master to be confirmed against; "
     "let one of it be `master: true`, or remove this")),
    ('confirmed_against: "0123456789ab"', "master: true",
     ("catalog/b.yaml:15: group 'coats' has a second master; one of both; "
     "first at catalog/b.yaml:5")),
    ("master: true", 'master: true\n    confirmed_against: "0123456789ab"',
     ("catalog/b.yaml:6: the master of a group is confirmed against; "
     "remove it: the others are confirmed against the master")),
    ('    external_id: "7"\n', "",
     "catalog/b.yaml:28: source 'cms' without an id; add the external_id it has there, or a url"),
    ("source: cms", "source: blog",
     ("catalog/b.yaml:28: 'app.card' shows no contents of 'blog' by reference; "
     "write out its slots, or name a source it knows: cms")),
    ("    source: cms\n", "",
     ("catalog/b.yaml:28: external_id '7' without a source; name the source it is an id of\n"
     "catalog/b.yaml:22: 'app.card' cannot tell whose content this is; "
     "write out its slots, or name a source it knows: cms")),
    ('external_id: "7"', "url: http://a.example/",
     "catalog/b.yaml:29: 'http://a.example/' has the scheme 'http'; https is expected"),
    ("locale: de", "locale: de\n    url: https://b.example/",
     "catalog/b.yaml:18: both slots and a url; write it out, or say where it is"),
    ("    terms: [product:fashion]\n    source: cms", "    terms: [area:shop]\n    source: cms",
     "catalog/b.yaml:27: content 'coat.app' has no term in 'product'; add a term product:…"),
    ("locale: de", "locale: de\n    ends: 2026-13-01",
     ("catalog/b.yaml:18: ends '2026-13-01'; "
     "a date such as 2026-03-01, or 2026-03-01T09:00:00+01:00")),
    ("name: Coat", "name: Coat\n    starts: 2026-03-01\n    ends: 2026-02-01",
     ("catalog/a.yaml:37: ends '2026-02-01' is not after starts '2026-03-01'; "
     "a later moment, or none")),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), FAULTS, ids=[c[2][15:60] for c in FAULTS])
def test_a_fault_is_told_once_and_where_it_is(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    catalog, faults = load(tmp_path, old, new)
    assert catalog is None
    assert faults == expected.split("\n")


def test_a_group_is_about_one_action(tmp_path: Path) -> None:
    load(tmp_path)
    for name, old, new in (
        (
            "a.yaml",
            "name: Coat\n",
            "name: Coat\n    terms: [product:home]\n  - id: hat\n    name: Hat\n",
        ),
        ("b.yaml", "action: coat\n    group: coats.app", "action: hat\n    group: coats"),
    ):
        path = tmp_path / "catalog" / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    faults: list[Fault] = []
    assemble(read_catalog(tmp_path / "catalog", root=tmp_path), faults)
    assert [str(fault) for fault in faults] == [
        (
            "catalog/b.yaml:23: group 'coats' is about 'hat' here; "
            "'coat', as at catalog/b.yaml:3, or another group"
        )
    ]


def test_templates_are_checked_where_they_are_written(tmp_path: Path) -> None:
    load(tmp_path, "title: A coat", "title: A coat, {{ customer.nmae }}")
    declared = read_catalog(tmp_path / "catalog", root=tmp_path)
    symbol = Symbol("customer.name", ValueType.STRING, Level.SITUATION, 0, ("Ada",))
    names = TemplateNames({symbol.path: symbol}, frozenset())
    assert [str(fault) for fault in check_templates(declared, names)] == [
        (
            "catalog/b.yaml:10: slot 'title', column 9: 'customer.nmae' is not known; "
            "did you mean 'customer.name'?"
        )
    ]


CONNECTOR = """
    connectors:
      - name: cms
        kind: contentful
        url: https://cdn.contentful.com
        space: small
        locales: {en-US: en, de-DE: de}
        entries:
          offer:
            action: action
            placements: [web.hero]
            slots: {title: headline, url: link}
            shared: [link]
            terms: [product:clothes]
    """
CONNECTOR_FAULTS = [
    ("name: cms", "name: c m s", "3: connector 'c m s'; a word of letters, digits, - and _"),
    ("contentful\n", "strapi\n", "4: kind 'strapi' is not known; known: contentful"),
    ("https://cdn", "http://cdn", ("5: 'http://cdn.contentful.com' has the scheme 'http'; "
     "https is expected")),
    ("//cdn", "//preview", ("5: 'preview.contentful.com' gives what is not published yet; "
     "the delivery API, such as cdn.contentful.com")),
    ("space: small", "space: small/x", "6: space 'small/x'; an identifier, as its address has it"),
    ("de-DE: de", "de-DE: fr", "7: locale 'fr' is not known; known: de, en"),
    ("de-DE: de", "en-GB: en", "7: locale 'en' is that of 'en-US' too; one for each"),
    ("[web.hero]", "[web.heor]", ("11: placement 'web.heor' is not in the catalog; "
     "did you mean 'web.hero'?")),
    ("[web.hero]", "[]", "11: no placements; list where these are shown"),
    ("title: headline", "titel: headline", ("12: slot 'titel' is shown in none of these "
     "placements; did you mean 'title'?\ncatalog/c.yaml:12: slot 'title', which 'web.hero' shows, "
     "has no field; say which field fills it")),
    ("[link]", "[lnik]", "13: field 'lnik' fills no slot; did you mean 'link'?"),
    ("product:clothes", "product:cloths", ("14: term 'product:cloths' is not in the taxonomy; "
     "known: area:shop, channel:app, channel:web, product:fashion, product:home")),
    ("action: action", "acton: action", ("10: connectors.0.entries.offer.acton: Unexpected keyword "
     "argument; remove it or correct its name\n"
     "catalog/c.yaml:9: connectors.0.entries.offer.action: Field required; add it")),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), [("", "", ""), *CONNECTOR_FAULTS])
def test_a_connector_is_checked_with_the_catalog(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    load(tmp_path)
    text = dedent(CONNECTOR)
    assert text.count(old) == 1 or not old
    (tmp_path / "catalog" / "c.yaml").write_text(text.replace(old, new), encoding="utf-8")
    faults: list[Fault] = []
    assemble(read_catalog(tmp_path / "catalog", root=tmp_path), faults)
    told = [f"catalog/c.yaml:{expected}".split("\n")] if expected else [[]]
    assert sorted(map(str, faults)) == sorted(told[0])


def test_two_connectors_of_one_name_are_refused(tmp_path: Path) -> None:
    load(tmp_path)
    for name in ("c.yaml", "d.yaml"):
        (tmp_path / "catalog" / name).write_text(dedent(CONNECTOR), encoding="utf-8")
    faults: list[Fault] = []
    assemble(read_catalog(tmp_path / "catalog", root=tmp_path), faults)
    assert [str(fault) for fault in faults] == [
        "catalog/d.yaml:3: connector 'cms' is given twice; first at catalog/c.yaml:3"
    ]
