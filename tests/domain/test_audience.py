"""Lists of the taxonomy: their codes, also by the names they had, and by those above them."""

from __future__ import annotations

from nba.domain.audience import NO_AUDIENCES, Audiences, membership_code
from nba.domain.consent import consent_code
from nba.domain.taxonomy import Dimension, Taxonomy

MEMBERS = Audiences.of(
    Taxonomy(
        {
            "audience": Dimension(
                {"members": "M", "members/gold": "G", "vip": "V"},
                renamed={"best": "top", "top": "vip", "lost": "nowhere"},
            )
        }
    )
)


def test_a_former_name_leads_to_the_list() -> None:
    assert MEMBERS.names == {
        "members": "members",
        "members/gold": "members/gold",
        "vip": "vip",
        "best": "vip",
        "top": "vip",
    }
    assert MEMBERS.codes["vip"] == tuple(map(membership_code, ("vip", "best", "top")))
    assert MEMBERS.on({membership_code("best")}) == ["vip"]


def test_a_list_covers_those_below_it() -> None:
    gold = membership_code("members/gold")
    assert MEMBERS.within("members") == (membership_code("members"), gold)
    assert MEMBERS.within("members/gold") == (gold,)
    assert MEMBERS.within("member") == MEMBERS.within("lost") == ()
    assert MEMBERS.on({gold}) == ["members/gold"]


def test_a_name_that_is_none_is_told_from_those_that_are() -> None:
    assert MEMBERS.hint("members/glod") == "did you mean members/gold?"
    assert NO_AUDIENCES.hint("vip") == "add audience:vip to the taxonomy and publish it"


def test_without_the_dimension_there_are_no_lists() -> None:
    assert Audiences.of(Taxonomy({"product": Dimension({"card": "Card"})})) == NO_AUDIENCES


def test_a_membership_is_no_consent() -> None:
    assert membership_code("email/marketing") != consent_code("email", "marketing")
    assert membership_code("marketing") != consent_code("audience", "marketing")
