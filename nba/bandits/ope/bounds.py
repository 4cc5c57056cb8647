"""What a row's number can be at all, which bounds that hold at any sample size need to know."""

from __future__ import annotations

from nba.errors import Fault, InputError


def row_bounds(
    low_reward: float, high_reward: float, largest_weight: float, *, doubly_robust: bool = False
) -> tuple[float, float]:
    """Return the lowest and highest number of a row, for IPS or for doubly robust estimators.

    ``largest_weight`` is the largest importance weight there can be: 1 over the exploration floor,
    whatever the target, or the clip of clipped IPS. For doubly robust estimators the reward model
    must stay within the rewards' bounds.

    Raises :class:`~nba.errors.InputError` for rewards in the wrong order or a weight below 0.

    >>> row_bounds(0.0, 1.0, 20.0)
    (0.0, 20.0)
    >>> row_bounds(0.0, 1.0, 20.0, doubly_robust=True)
    (-20.0, 21.0)
    """
    if not low_reward < high_reward:
        found = f"found {low_reward:g} to {high_reward:g}"
        raise InputError([Fault("/low_reward", found, "low must be below high")])
    if not largest_weight >= 0.0:
        found = f"found {largest_weight:g}"
        raise InputError([Fault("/largest_weight", found, "0 or more is expected")])
    if doubly_robust:
        reach = largest_weight * (high_reward - low_reward)
        return low_reward - reach, high_reward + reach
    return min(0.0, largest_weight * low_reward), max(0.0, largest_weight * high_reward)
