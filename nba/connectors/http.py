"""Asking a content management system over HTTP: with a token, patience, and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec

from nba.errors import Fault, InputError, UnavailableError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Largest answer that is read."""

_ATTEMPTS = 6
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED_TOKEN = frozenset({401, 403})
_OK = 200
_WAIT_HEADERS = ("Retry-After", "X-Contentful-RateLimit-Reset")
_SHOWN = 200


class Fetcher:
    """Gets JSON below one address; redirects are not followed, so the token goes nowhere else.

    What is too busy or not there is asked again, as late as it says or twice as late each time.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        name: str,
        base: str,
        token: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._name = name
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._sleep = sleep

    def get(
        self, path: str, query: Mapping[str, str | int], *, absent: frozenset[int]
    ) -> Mapping[str, Any] | None:
        """Return the object at a path; ``None`` where the status is one of ``absent``.

        Raises :class:`~nba.errors.InputError` where the token is refused or the path not known, and
        :class:`~nba.errors.UnavailableError` where no attempt is answered with an object.
        """
        wait_seconds = _FIRST_WAIT_SECONDS
        last = ""
        for attempt in range(_ATTEMPTS):
            asked: float | None = None
            try:
                status, headers, body = self._fetch(path, query)
            except httpx.RequestError as error:
                last = f"{type(error).__name__} {error}".strip()
            else:
                if status not in _RETRYABLE:
                    return None if status in absent else self._read(status, body, path)
                last = f"status {status}"
                asked = _asked_seconds(headers)
            if attempt + 1 < _ATTEMPTS:
                self._sleep(wait_seconds if asked is None else asked)
                wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)
        raise UnavailableError(
            f"connector {self._name!r} did not answer {path} in {_ATTEMPTS} attempts: {last}"
        )

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _fetch(
        self, path: str, query: Mapping[str, str | int]
    ) -> tuple[int, Mapping[str, str], bytes]:
        with self._client.stream(
            "GET",
            f"{self._base}{path}",
            params=dict(query),
            headers=self._headers,
            follow_redirects=False,
        ) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise UnavailableError(
                        f"connector {self._name!r} answers {path} with more than "
                        f"{MAX_ANSWER_BYTES} bytes"
                    )
            return response.status_code, response.headers, bytes(body)

    def _read(self, status: int, body: bytes, path: str) -> Mapping[str, Any]:
        text = body[:_SHOWN].decode("utf-8", errors="replace")
        if status in _REFUSED_TOKEN:
            found = f"connector {self._name!r} refuses it with status {status}: {text}"
            raise InputError([Fault("NBA_CMS_TOKENS", found, "a token of its delivery API")])
        if status != _OK:
            found = f"{self._base}{path} answers with status {status}: {text}"
            expected = "correct url, space and environment in catalog/connectors.yaml"
            raise InputError([Fault(f"connector/{self._name}", found, expected)])
        try:
            found_object = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise UnavailableError(
                f"connector {self._name!r} answers {path} with no JSON: {text}"
            ) from error
        if not isinstance(found_object, dict):
            raise UnavailableError(f"connector {self._name!r} answers {path} with no object")
        return found_object


def _asked_seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long the answer asks to wait, within bounds; ``None`` where it does not."""
    for name in _WAIT_HEADERS:
        text = headers.get(name, "")
        if text.isdecimal():
            return min(float(text), _LONGEST_WAIT_SECONDS)
    return None
