"""What is remembered are the latest rows of each action, as a list would keep them."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits.memory import Memory
from nba.errors import CorruptRecordError


def row(number):
    """Return a row of two inputs, an offset, a label and a weight, told apart by its number."""
    return np.array([number, -number, number / 2.0, number % 2, 1.0 + number], dtype=np.float64)


def assert_remembers(memory, action, numbers):
    found = memory.of(action)
    expected = np.array([row(number) for number in numbers]).reshape(-1, 5)
    assert len(found) == len(numbers)
    assert np.array_equal(found.inputs, expected[:, :2])
    assert np.array_equal(found.offsets, expected[:, 2])
    assert np.array_equal(found.labels, expected[:, 3])
    assert np.array_equal(found.weights, expected[:, 4])


@given(
    st.lists(st.sampled_from("ab"), max_size=400),
    st.sampled_from([1, 2, 63, 64, 65, 130]),
)
def test_it_keeps_what_a_list_would_keep(actions, most):
    memory, lists = Memory(2, most), defaultdict(list)
    for number, action in enumerate(actions):
        memory.add(action, row(number))
        lists[action].append(number)
    for action in "ab":
        assert_remembers(memory, action, lists[action][-most:])


def test_an_action_never_seen_has_no_rows():
    assert_remembers(Memory(2, 10), "offer", [])


@pytest.mark.parametrize("n", [0, 3, 64, 200])
def test_rows_come_back_from_their_bytes_and_go_on_alike(n):
    memory = Memory(2, 100)
    for number in range(n):
        memory.add("offer", row(number))
    again = Memory(2, 100)
    again.restore(memory.to_parts())
    for one in (memory, again):
        one.add("offer", row(n))
        assert_remembers(one, "offer", list(range(n + 1))[-100:])


def test_rows_of_another_width_are_refused():
    memory = Memory(2, 100)
    memory.add("offer", row(1))
    with pytest.raises(CorruptRecordError, match="'offer' are not 6 wide"):
        Memory(3, 100).restore(memory.to_parts())


def test_of_some_observations_the_latest_can_be_kept():
    memory = Memory(2, 5)
    for number in range(8):
        memory.add("many", row(number))
    memory.add("few", row(1))
    memory.add("none", row(1))
    memory.keep({"many": 2, "few": 7})
    assert_remembers(memory, "many", [6, 7])
    assert_remembers(memory, "few", [1])
    assert_remembers(memory, "none", [])


def test_what_was_read_does_not_change_later():
    memory = Memory(2, 2)
    for number in range(2):
        memory.add("offer", row(number))
    before = memory.of("offer")
    memory.add("offer", row(9))
    assert before.labels.tolist() == [0.0, 1.0]
    assert before.inputs[:, 0].tolist() == [0.0, 1.0]
