"""Tables by product answer for the line, else its branch."""

import pytest

from nba.domain.catalog import Action
from nba.domain.ids import ActionId, Term
from nba.simulator.effects import CONTEXT_EFFECTS, bought_category, for_product, product_line


def action(*terms):
    return Action(id=ActionId("x"), name="x", terms=tuple(Term(term) for term in terms))


def test_the_line_is_found_before_the_branch():
    table = {"home": 1.0, "home/garden": 2.0}
    assert for_product(table, action("product:home/garden/chairs"), 0.0) == 2.0
    assert for_product(table, action("product:home/kitchen"), 0.0) == 1.0
    assert for_product(table, action("product:fashion"), 0.0) == 0.0
    assert product_line(action()) == ""


@pytest.mark.parametrize(
    ("terms", "category"),
    [
        (("product:fashion/women", "desired_action:purchase"), 0),
        (("product:home/garden", "desired_action:purchase/repeat"), 1),
        (("product:fashion/kids", "desired_action:purchase"), 2),
        (("product:fashion/men", "desired_action:book"), -1),
        (("product:loyalty/points", "desired_action:purchase"), -1),
        ((), -1),
    ],
)
def test_only_purchases_of_a_category_buy_it(terms, category):
    assert bought_category(action(*terms)) == category


def test_every_effect_names_a_product_of_the_reference_catalog(project):
    terms = set(project.catalog.taxonomy.dimensions["product"].terms)
    named = {product for effects in CONTEXT_EFFECTS.values() for product in effects}
    assert named <= terms
