"""Point-in-time values: any customer's row as the online store would have answered then.

A row at a time is made of what had *arrived* by then, whenever it happened: events are replayed in
the order in which they arrived, through the same compiled loops that apply them online, and the
row is read by the same code. An event that came late is not seen before it came; one that is in no
value any more when it comes moves nothing; a message that comes again today or tomorrow moves
nothing either; what would have been refused online is left out.

Frames are named as the log names its tables and columns (:mod:`nba.ledger.log`). Polars is heavy,
so it is imported where it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nba.features.feature_set import FeatureSet

if TYPE_CHECKING:
    import polars as pl

PREFIX = "f_"
"""Prefix of the columns that hold features, as in the log."""

PROPERTY_PREFIX = "p_"
"""Prefix of columns that hold properties of events, where they are not given as JSON."""


def point_in_time(
    features: FeatureSet,
    events: pl.DataFrame | pl.LazyFrame,
    at: pl.DataFrame,
    updates: pl.DataFrame | pl.LazyFrame | None = None,
    decisions: pl.DataFrame | pl.LazyFrame | None = None,
) -> pl.DataFrame:
    """Return ``at`` with one column more for each feature, ``f_<name>``.

    Parameters
    ----------
    features
        What is declared. It needs its catalog (:meth:`FeatureSet.for_catalog`) where interactions
        by decision tell actions or placements apart.
    events
        Rows of ``events``, in the order in which they arrived where ``received_at`` is the same:
        ``customer_id``, ``name``, ``at``, ``received_at``, ``message_id`` (without it nothing
        comes twice) and ``version`` (orders what was received in the same millisecond; 1 says that
        there was no profile before, whatever was sent earlier). Properties are JSON in
        ``properties``, or a typed column each, ``p_<name>``; null is missing. Interactions are
        events too, named ``nba.<kind>``.
    at
        What is asked: ``customer_id`` and ``at``. A column named as a context feature gives its
        value with the request; null where it gave none. ``received_until``, where it differs from
        ``at``, is the latest arrival that was seen.
    updates
        Rows of ``updates``: ``customer_id``, ``received_at``, ``source``, ``attributes`` (JSON).
        Source ``alias:<id>`` takes over what was kept of that customer. An attribute value that
        the definition no longer allows is missing.
    decisions
        Rows of ``decisions``: ``customer_id``, ``at``, ``action``, ``placement``. Those strictly
        before ``at`` are the contact history, as many as one customer's holds.

    Returns
    -------
    polars.DataFrame
        The rows of ``at`` in their order; features as the log holds them: Float32, or String for
        words, null where missing. Columns that follow the catalog (crosses) are left out.

    Raises
    ------
    InputError
        A column is absent or of a type that cannot be, or a context value does not fit.

    Notes
    -----
    Times are datetimes, UTC where they name no zone, or integers of epoch milliseconds.

    """
    from nba.features.offline_replay import replay

    return replay(features, events, at, updates, decisions)


def asked_by(features: FeatureSet, decisions: pl.DataFrame) -> pl.DataFrame:
    """Return what to ask :func:`point_in_time` for logged decisions, in their order.

    ``decisions`` has the columns of the log; context is taken from its ``f_<name>``.
    """
    from nba.features.offline_replay import asked_by

    return asked_by(features, decisions)
