"""The Contentful connector against a local server that speaks its Sync API."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from contentful_space import TOKEN, ContentfulSpace, asset, entry, link, serving

from nba.catalog.declarations import Connection
from nba.connectors import http
from nba.connectors.contentful import ContentfulConnector
from nba.errors import InputError, UnavailableError


@pytest.fixture
def space() -> ContentfulSpace:
    """Give an empty space whose pages hold two items."""
    return ContentfulSpace()


@pytest.fixture
def url(space: ContentfulSpace) -> Iterator[str]:
    """Serve the space."""
    with serving(space) as url:
        yield url


class Asking:
    """A connector to the space, and how long it waited."""

    def __init__(self, url: str, token: str = TOKEN, name: str = "halden") -> None:
        self.waited: list[float] = []
        connection = Connection(
            name="cms", kind="contentful", url=url, space=name, locales={"en-US": "en"}
        )
        self.connector = ContentfulConnector(
            connection, token=token, client=httpx.Client(timeout=5), sleep=self.waited.append
        )


@pytest.fixture
def asking(url: str) -> Iterator[Asking]:
    """Give a connector to the space."""
    asking = Asking(url)
    yield asking
    asking.connector.close()


def title(text: str) -> dict[str, dict[str, str]]:
    return {"title": {"en-US": text}}


def test_the_first_sync_reads_every_page(space: ContentfulSpace, asking: Asking) -> None:
    for number in range(5):
        space.publish(entry(f"e{number}", title(f"Title {number}"), revision=number + 1))
    found = asking.connector.changes(None)
    assert [(e.id, e.kind, e.revision) for e in found.entries] == [
        (f"e{number}", "offer", str(number + 1)) for number in range(5)
    ]
    assert found.entries[4].fields == {"title": {"en-US": "Title 4"}}
    assert found.is_complete
    assert found.gone == set()
    assert len(space.requests) == 3
    assert "initial=true" in space.requests[0]
    assert all("sync_token" in request for request in space.requests[1:])


def test_later_syncs_give_what_changed_since_and_what_is_gone(
    space: ContentfulSpace, asking: Asking
) -> None:
    for name in ("kept", "changed", "deleted"):
        space.publish(entry(name, title(name)))
    first = asking.connector.changes(None)
    space.publish(entry("changed", title("other"), revision=2))
    space.publish(entry("new", title("new")))
    space.take_back("deleted")
    second = asking.connector.changes(first.cursor)
    assert [e.id for e in second.entries] == ["changed", "new"]
    assert second.gone == {"deleted"}
    assert not second.is_complete
    third = asking.connector.changes(second.cursor)
    assert (third.entries, third.gone) == ((), set())


def test_what_was_taken_back_and_published_again_is_not_gone(
    space: ContentfulSpace, asking: Asking
) -> None:
    space.page_items = 10
    first = asking.connector.changes(None)
    space.take_back("a")
    space.publish(entry("a", title("again"), revision=3), name="a, again")
    found = asking.connector.changes(first.cursor)
    assert [e.id for e in found.entries] == ["a"]
    assert found.gone == set()


def test_a_cursor_that_is_no_longer_known_gives_all_there_is(
    space: ContentfulSpace, asking: Asking
) -> None:
    space.publish(entry("a", title("a")))
    first = asking.connector.changes(None)
    space.tokens_expire = True
    again = asking.connector.changes(first.cursor)
    assert again.is_complete
    assert [e.id for e in again.entries] == ["a"]


def test_drafts_are_left_out(space: ContentfulSpace, asking: Asking) -> None:
    space.publish(entry("draft", title("not yet"), revision=0))
    assert asking.connector.changes(None).entries == ()


def test_a_picture_is_its_address(space: ContentfulSpace, asking: Asking) -> None:
    space.publish(entry("a", {"image": {"en-US": link("pic"), "de-DE": link("lost")}}))
    space.publish(asset("pic", "//images.example/pic.png"))
    (found,) = asking.connector.changes(None).entries
    assert found.fields["image"] == {
        "en-US": "https://images.example/pic.png",
        "de-DE": link("lost"),
    }


def test_a_picture_that_did_not_change_is_looked_up(space: ContentfulSpace, asking: Asking) -> None:
    space.publish(asset("pic", "https://images.example/pic.png"))
    first = asking.connector.changes(None)
    space.publish(entry("a", {"image": {"en-US": link("pic")}}))
    (found,) = asking.connector.changes(first.cursor).entries
    assert found.fields["image"] == {"en-US": "https://images.example/pic.png"}


def test_a_picture_that_changed_makes_all_entries_be_looked_at_again(
    space: ContentfulSpace, asking: Asking
) -> None:
    space.publish(asset("pic", "//images.example/1.png"))
    space.publish(entry("a", {"image": {"en-US": link("pic")}}))
    first = asking.connector.changes(None)
    space.publish(asset("pic", "//images.example/2.png"))
    second = asking.connector.changes(first.cursor)
    assert second.is_complete
    assert second.entries[0].fields["image"] == {"en-US": "https://images.example/2.png"}


def test_what_is_no_entry_is_a_fault_and_stops_no_other(
    space: ContentfulSpace, asking: Asking
) -> None:
    space.page_items = 10
    bad_kind, bad_revision, bad_fields = (entry(name, {}) for name in ("b", "c", "d"))
    del bad_kind["sys"]["contentType"]
    bad_revision["sys"]["revision"] = "7"
    bad_fields["fields"] = [1]
    for item in (bad_kind, bad_revision, bad_fields, entry("e", title("sound"))):
        space.publish(item)
    space.publish("text", name="f")
    space.publish({"sys": {"type": "Entry"}}, name="g")
    space.publish({"sys": {"type": "Tag", "id": "t"}})
    found = asking.connector.changes(None)
    assert [e.id for e in found.entries] == ["e"]
    assert found.broken == {"b", "c", "d"}
    assert [str(fault) for fault in found.faults] == [
        "/entries/b: no sys.contentType.sys.id; an entry",
        "/entries/c: sys.revision '7'; an entry",
        "/entries/d: fields [1]; an entry",
        "/items: item 4 of a page has no sys.id; an entry, an asset, or a deletion",
        "/items: item 5 of a page has no sys.id; an entry, an asset, or a deletion",
    ]


def test_it_waits_as_long_as_it_is_asked_to(space: ContentfulSpace, asking: Asking) -> None:
    space.answers = [
        (429, {"Retry-After": "7"}, b"{}"),
        (429, {"X-Contentful-RateLimit-Reset": "2"}, b"{}"),
        (429, {"Retry-After": "86400"}, b"{}"),
        (503, {}, b""),
        (502, {"Retry-After": "soon"}, b""),
    ]
    assert asking.connector.changes(None).entries == ()
    assert asking.waited == [7.0, 2.0, 60.0, 4.0, 8.0]


def test_it_gives_up_after_some_attempts(space: ContentfulSpace, asking: Asking) -> None:
    space.answers = [(503, {}, b"")] * 6
    with pytest.raises(UnavailableError, match="did not answer /sync in 6 attempts: status 503"):
        asking.connector.changes(None)
    assert asking.waited == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_server_that_is_not_there_is_told() -> None:
    asking = Asking("http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="in 6 attempts: ConnectError"):
        asking.connector.changes(None)
    asking.connector.close()


def test_a_token_it_refuses_is_told_once_and_not_tried_again(
    space: ContentfulSpace, url: str
) -> None:
    asking = Asking(url, token="wrong")  # noqa: S106  # that is the point
    with pytest.raises(InputError, match=r"NBA_CMS_TOKENS: connector 'cms' refuses it with .*401"):
        asking.connector.changes(None)
    asking.connector.close()
    assert len(space.requests) == 1


def test_a_space_that_is_not_there_is_told(url: str) -> None:
    asking = Asking(url, name="nowhere/../..")
    with pytest.raises(InputError, match=r"connector/cms: .*/spaces/nowhere%2F..%2F.*status 404"):
        asking.connector.changes(None)
    asking.connector.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "answers /sync with no JSON: <html>"),
        (b"[]", "answers /sync with no object"),
        (b"{}", "answers without items: {}"),
        (b'{"items": []}', "answers without a next page: None"),
        (b'{"items": [], "nextSyncUrl": "https://a.example/sync"}', "without a next page"),
    ],
)
def test_an_answer_that_is_none_is_told(
    space: ContentfulSpace, asking: Asking, body: bytes, message: str
) -> None:
    space.answers = [(200, {}, body)]
    with pytest.raises(UnavailableError, match=message):
        asking.connector.changes(None)


def test_pages_in_a_circle_are_left(space: ContentfulSpace, asking: Asking) -> None:
    page = b'{"items": [], "nextPageUrl": "https://a.example/sync?sync_token=again"}'
    space.answers = [(200, {}, page)] * 3
    with pytest.raises(UnavailableError, match="gives pages without an end"):
        asking.connector.changes(None)


def test_no_redirect_and_no_foreign_address_is_followed(
    space: ContentfulSpace, asking: Asking
) -> None:
    space.answers = [(302, {"Location": "https://elsewhere.example/"}, b"")]
    with pytest.raises(InputError, match="status 302"):
        asking.connector.changes(None)
    space.publish(entry("a", title("a")))
    assert asking.connector.changes(None).entries  # its pages claim to be elsewhere


def test_an_answer_without_end_is_not_read(
    space: ContentfulSpace, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 100)
    space.answers = [(200, {}, b"x" * 101)]
    with pytest.raises(UnavailableError, match="with more than 100 bytes"):
        asking.connector.changes(None)
