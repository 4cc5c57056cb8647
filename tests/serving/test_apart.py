"""Long work beside the service: one at a time, and a process that ends is no answer."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial

import pytest

from nba.errors import OverloadedError, UnavailableError
from nba.serving.apart import Apart
from nba.serving.problems import Reply


def _slowly(seconds: float) -> Reply:
    time.sleep(seconds)
    return Reply(str(os.getpid()).encode())


def _ended() -> Reply:
    os._exit(1)


def test_it_is_done_in_another_process_and_one_at_a_time() -> None:
    apart = Apart("test")

    async def both() -> list[Reply | BaseException]:
        tasks = [apart.run(partial(_slowly, 0.2)) for _ in range(2)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    done, refused = asyncio.run(both())
    assert isinstance(done, Reply)
    assert int(done.body) != os.getpid()
    assert isinstance(refused, OverloadedError)
    assert "another test runs" in str(refused)


def test_a_process_that_ends_is_no_answer_and_the_next_one_is_tried() -> None:
    apart = Apart("test")
    with pytest.raises(UnavailableError, match="ended before it answered"):
        asyncio.run(apart.run(partial(_ended)))
    assert isinstance(asyncio.run(apart.run(partial(_slowly, 0.0))), Reply)
