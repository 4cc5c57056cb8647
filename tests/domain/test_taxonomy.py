"""Terms and their hierarchy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nba.domain.catalog import Action
from nba.domain.ids import ActionId, Term
from nba.domain.taxonomy import Dimension, Taxonomy, dimension_of, is_within

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
