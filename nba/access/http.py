"""Fetching what an OpenID issuer publishes, over HTTP."""

from __future__ import annotations

import httpx

from nba.errors import UnavailableError

_TIMEOUT_SECONDS = 5.0
_MAX_BYTES = 1_000_000


async def fetch(url: str) -> bytes:
    """Return what a URL answers; redirects are not followed.

    Raises :class:`~nba.errors.UnavailableError` where it is not answered with 200, in time and
    within a megabyte.
    """
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client,
            client.stream("GET", url) as reply,
        ):
            if reply.status_code != httpx.codes.OK:
                raise UnavailableError(f"{url} answers with status {reply.status_code}, not 200")
            body = b""
            async for chunk in reply.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise UnavailableError(f"{url} answers with more than {_MAX_BYTES} bytes")
            return body
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        found = str(error) or type(error).__name__
        raise UnavailableError(f"{url} does not answer ({found})") from error
