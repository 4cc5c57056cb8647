"""Long work in a process of its own, one at a time.

Here it would hold up the decisions that are asked for meanwhile, and its libraries stay out of the
process that decides.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

from nba.errors import OverloadedError, UnavailableError
from nba.serving.problems import Reply

_RETRY_SECONDS = 10


class Apart:
    """Runs one task at a time; ``what`` names it in a message."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_running = False

    async def run(self, task: partial[Reply]) -> Reply:
        """Return what a task answers, which is a function of a module and arguments that pickle.

        Raises :class:`~nba.errors.OverloadedError` while another one runs, and
        :class:`~nba.errors.UnavailableError` where its process ends before it answered.
        """
        if self._is_running:
            raise OverloadedError(
                f"another {self._what} runs in this process", retry_after_seconds=_RETRY_SECONDS
            )
        self._is_running = True
        try:
            return await asyncio.to_thread(self._in_a_process, task)
        finally:
            self._is_running = False

    def _in_a_process(self, task: partial[Reply]) -> Reply:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                return pool.submit(task).result()
            except BrokenProcessPool as error:
                message = f"the {self._what}'s process ended before it answered"
                raise UnavailableError(message) from error
