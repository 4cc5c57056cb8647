"""Arrays that callers give are read as they mean them, or refused by their place."""

import numpy as np
import pytest

from nba.bandits.ope.arrays import as_integers, as_rows, as_table, refuse_cells
from nba.errors import InputError


@pytest.mark.parametrize(
    "values", [[1, 0, 1], [True, False, True], np.array([1.0, 0.0, 1.0], dtype=object)]
)
def test_whatever_is_a_number_is_read_as_one(values):
    found = as_rows("/rewards", values, 3)
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 0.0, 1.0]


def test_numbers_are_not_copied():
    values = np.ones((4, 3))
    assert as_table("/situations", values, 4) is values


def test_integers_are_not_rounded_to():
    assert as_integers("/after", [1, 2], "whole numbers").tolist() == [1, 2]
    assert as_integers("/after", [], "whole numbers").tolist() == []
    with pytest.raises(InputError, match="/after: found float64; whole numbers"):
        as_integers("/after", [1.7], "whole numbers")
    with pytest.raises(InputError, match=r"/after: found shape \(\); one axis is expected"):
        as_integers("/after", 5, "whole numbers")
    for none in (["a"], [[1], [1, 2]]):
        with pytest.raises(InputError, match="/after: not all are numbers"):
            as_integers("/after", none, "whole numbers")


def test_a_cell_is_named_by_all_its_axes():
    cube = np.zeros((2, 3, 4))
    cube[1, 2, 0] = cube[1, 2, 3] = -1.0
    with pytest.raises(InputError, match=r"/q/1/2/0: 2 are wrong, the first is -1\.0; 0 or more"):
        refuse_cells("/q", cube, cube >= 0.0, "0 or more")
