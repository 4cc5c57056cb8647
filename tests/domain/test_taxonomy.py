"""Terms and their hierarchy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nba.domain.catalog import Action
from nba.domain.ids import ActionId, Term
from nba.domain.taxonomy import Carrier, Dimension, Taxonomy, dimension_of, is_within

LEVELS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4)


@given(LEVELS, LEVELS)
def test_a_term_lies_within_another_if_its_levels_begin_with_the_others(term, ancestor):
    inside = term[: len(ancestor)] == ancestor
    assert is_within("d:" + "/".join(term), "d:" + "/".join(ancestor)) == inside


def test_a_taxonomy_has_the_terms_of_its_dimensions_and_no_others():
    taxonomy = Taxonomy({"product": Dimension({"credit": "Credit", "credit/card": "Card"})})
    assert "product:credit/card" in taxonomy
    assert "product:card" not in taxonomy
    assert "credit" not in taxonomy
    assert "journey:credit" not in taxonomy
    assert 7 not in taxonomy
    assert list(taxonomy.terms()) == ["product:credit", "product:credit/card"]
    assert dimension_of("product:credit/card") == "product"


def test_an_actions_term_is_cut_to_the_depth_asked_for():
    action = Action(id=ActionId("a"), name="a", terms=(Term("product:credit/card/gold"),))
    cuts = [action.term_in("product", depth=depth) for depth in (1, 2, 3, 9)]
    assert cuts == ["credit", "credit/card", "credit/card/gold", "credit/card/gold"]
    assert action.term_in("journey", depth=1) is None
    assert action.has_term("product:credit")
    assert not action.has_term("product:credit/car")


def test_an_actions_top_terms_are_those_of_the_dimensions_asked_for():
    terms = (Term("product:credit/card"), Term("journey:spring"), Term("campaign:mail/b"))
    action = Action(id=ActionId("a"), name="a", terms=terms)
    assert action.top_terms(["product", "channel", "campaign"]) == [
        "campaign:mail",
        "product:credit",
    ]
    assert action.top_terms([]) == []


def test_a_former_term_is_known_by_its_present_name_and_is_no_term_itself():
    renamed = {"loan": "credit", "old": "loan", "a": "b", "b": "a"}
    taxonomy = Taxonomy({"product": Dimension({"credit": "Credit"}, renamed=renamed)})
    assert taxonomy.resolve("product:credit") == "product:credit"
    assert taxonomy.resolve("product:old") == "product:credit"
    assert "product:old" not in taxonomy
    for unknown in ("product:a", "product:x", "journey:credit", "credit", ""):
        assert taxonomy.resolve(unknown) is None


def test_terms_in_present_words_are_each_there_once_and_in_order():
    taxonomy = Taxonomy({"p": Dimension({"a": "", "b": ""}, renamed={"x": "b"})})
    assert taxonomy.present(["p:x", "p:a", "p:b", "p:?", "p:a"]) == ("p:b", "p:a", "p:?")


def test_a_dimension_demands_a_term_of_what_it_names_and_of_nothing_else():
    taxonomy = Taxonomy(
        {
            "product": Dimension({"a": ""}, required_for=(Carrier.ACTION, Carrier.CONTENT)),
            "area": Dimension({"b": ""}, required_for=(Carrier.PLACEMENT,)),
            "free": Dimension({"c": ""}),
        }
    )
    assert taxonomy.lacking(Carrier.ACTION, []) == ("product",)
    assert taxonomy.lacking(Carrier.CONTENT, ["product:a"]) == ()
    assert taxonomy.lacking(Carrier.PLACEMENT, ["product:a"]) == ("area",)
