"""Key names: everything one decision touches lies in one hash slot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from nba.domain.ids import new_decision_id
from nba.errors import InputError
from nba.storage import Keys

TEXT = st.text(min_size=1, max_size=20)


@given(TEXT, TEXT, st.integers(1, 4_095), st.integers(0, 2**40 - 1))
def test_all_keys_of_a_customer_and_their_decision_share_a_slot(
    customer_id, request_id, partitions, bits
):
    keys = Keys(partitions=partitions)
    partition = keys.partition_of(customer_id)
    decision_id = new_decision_id(partition, 1_750_000_000_000, bits)
    names = [
        keys.profile(customer_id),
        keys.history(customer_id),
        keys.request(customer_id, request_id),
        keys.decision(decision_id),
        keys.outcomes(decision_id),
        keys.pending(partition),
        keys.ledger(partition),
        keys.seen(partition, 20_000),
    ]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == len(names)


def test_a_customers_own_braces_do_not_move_their_keys():
    keys = Keys()
    partition = keys.partition_of("{x}")
    assert key_slot(keys.profile("{x}").encode()) == key_slot(keys.ledger(partition).encode())


def test_prefixes_keep_services_apart():
    assert Keys(prefix="a").plan == "a:plan"
    assert not {Keys(prefix="a").ledger(1)} & {Keys(prefix="b").ledger(1)}


@pytest.mark.parametrize("text", ["", "nope", "0ff1977420dc000000000001"])
def test_an_id_of_no_partition_here_is_refused_with_its_place(text):
    with pytest.raises(InputError, match=r"/decision_id: .* is no decision id"):
        Keys(partitions=16).decision(text)
