"""A packed contact history says what a plain list of contacts would, and where it is incomplete."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.domain.history import (
    CONTACT,
    EMPTY_HISTORY,
    MAX_CONTACTS,
    Entry,
    event_code,
    outcome_code,
    pack_history,
    unpack_history,
)
from nba.errors import CorruptRecordError

WORD = st.integers(0, 2**32 - 1)
ENTRY = st.builds(Entry, st.integers(0, 10_000), WORD, WORD, WORD, WORD, WORD)
CONTACTS = st.lists(ENTRY, max_size=30).map(sorted)


def contacts_of(history):
    return [Entry(*row) for row in history.table.tolist()]


@given(CONTACTS, WORD, WORD)
def test_what_is_packed_is_read_back(contacts, since_s, version):
    packed = pack_history(contacts, complete_since_s=since_s, version=version).packed
    history = unpack_history(packed)
    assert contacts_of(history) == contacts
    assert (history.complete_since_s, history.version) == (since_s, version)
    assert len(history) == len(contacts)


@given(CONTACTS, ENTRY.map(lambda entry: entry._replace(at_s=10_500)), st.integers(-100, 11_000))
def test_extending_keeps_what_is_recent_and_says_from_when_it_is_complete(contacts, new, keep):
    history = pack_history(contacts, version=7).extended([new], keep_since_s=keep)
    assert contacts_of(history) == [*[c for c in contacts if c[0] >= keep], new]
    dropped = any(contact[0] < keep for contact in contacts)
    assert history.complete_since_s == (keep if dropped else 0)
    assert history.version == 8


def test_completeness_never_moves_back():
    history = pack_history([(5, 1, 1)], complete_since_s=500)
    assert history.extended([(600, 1, 1)], keep_since_s=10).complete_since_s == 500


def test_beyond_the_most_kept_the_oldest_go_and_completeness_says_so():
    full = pack_history([(second, 1, 2) for second in range(MAX_CONTACTS)])
    history = full.extended([(5_000, 3, 4), (5_001, 3, 4)], keep_since_s=0)
    assert len(history) == MAX_CONTACTS
    assert contacts_of(history)[0] == Entry(2, 1, 2)
    assert contacts_of(history)[-1] == Entry(5_001, 3, 4)
    assert history.complete_since_s == 2, "of second 1 the contact is gone, of second 2 it is not"


def test_a_customer_never_contacted_has_an_empty_complete_history():
    for packed in (None, b""):
        assert unpack_history(packed) == EMPTY_HISTORY
    assert (len(EMPTY_HISTORY), EMPTY_HISTORY.complete_since_s, EMPTY_HISTORY.version) == (0, 0, 0)


@given(CONTACTS, st.integers(1, 23))
def test_a_cut_history_is_corrupt_and_not_shorter(contacts, missing):
    packed = pack_history([*contacts, (20_000, 1, 1)]).packed
    with pytest.raises(CorruptRecordError, match="is cut"):
        unpack_history(packed[:-missing])


def test_an_entry_takes_24_bytes_so_that_fifty_fit_a_small_record():
    assert len(pack_history([(1, 2, 3)] * 50).packed) == 8 + 50 * 24


def test_outcomes_and_events_are_entries_but_no_contacts():
    said = Entry(10, 1, 2, tag=7)
    clicked = Entry(20, 1, 2, outcome_code("click"), tag=7)
    complained = Entry(30, what=event_code("complaint"), tag=8)
    history = pack_history([said, clicked, complained])
    assert len(history) == 3
    assert history.contacts.tolist() == [list(said)]


def test_no_outcome_or_event_is_taken_for_a_contact():
    for name in ("click", "impression", "complaint", ""):
        assert outcome_code(name) != CONTACT != event_code(name)
        assert outcome_code(name) != event_code(name)
