"""Sealing: the log keeps what is sensitive encrypted, each value for its customer and its name.

A sealed value is ``sealed:v1:`` and base64url of nonce and AES-256-GCM ciphertext (NIST SP 800-38D)
of the value as JSON. Its key is derived from the log's for one customer, and its name is
authenticated, so that no value can be passed off as another's. Texts are padded, as lengths tell
short words apart. That a value is missing is not hidden.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from nba.errors import CorruptRecordError

if TYPE_CHECKING:
    import polars as pl

SEALED = "sealed:v1:"
"""What every sealed value begins with."""

SEALED_COLUMN = "sealed_"
"""What the log puts before the name of a column whose values are sealed."""

HIDDEN = "•••"
"""What is shown in the place of a sensitive value."""

KEY_BYTES = 32

_NONCE_BYTES = 12
_PADDED_TO = 32


class Sealer:
    """Seals and opens values with one key.

    Parameters
    ----------
    key
        32 secret bytes.
    random_bytes
        Returns that many unpredictable bytes; for nonces.

    """

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes; {KEY_BYTES} are needed")
        self._key = key
        self._random_bytes = random_bytes

    def seal(self, customer_id: str, name: str, value: Any) -> str:
        """Return a value that JSON can hold, sealed for a customer under a name."""
        text = msgspec.json.encode(value)
        padded = text.ljust(-(-len(text) // _PADDED_TO) * _PADDED_TO)
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = _cipher(self._derived("value", customer_id)).encrypt(nonce, padded, name.encode())
        return SEALED + urlsafe_b64encode(nonce + sealed).decode()

    def open(self, customer_id: str, name: str, sealed: str) -> Any:
        """Return what was sealed.

        Raises :class:`CorruptRecordError` where it was not sealed so, with this key.
        """
        from cryptography.exceptions import InvalidTag

        try:
            whole = urlsafe_b64decode(sealed.removeprefix(SEALED))
            nonce, rest = whole[:_NONCE_BYTES], whole[_NONCE_BYTES:]
            cipher = _cipher(self._derived("value", customer_id))
            return msgspec.json.decode(cipher.decrypt(nonce, rest, name.encode()))
        except (InvalidTag, ValueError) as error:
            raise CorruptRecordError(
                f"a sealed value of {name!r} cannot be opened: it was changed, or NBA_SEALING_KEY "
                "is not the key it was sealed with"
            ) from error

    def pseudonym(self, customer_id: str) -> str:
        """Return what stands for a customer once they are erased: only this key leads to it."""
        return self._derived("customer", customer_id).hex()

    def seal_named(
        self, customer_id: str, values: Mapping[str, Any], names: Collection[str]
    ) -> dict[str, Any]:
        """Return values by name, those among ``names`` sealed; a missing one stays missing."""
        return {
            name: self.seal(customer_id, name, value)
            if name in names and value is not None
            else value
            for name, value in values.items()
        }

    def open_named(self, customer_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by name, the sealed ones opened."""
        return {
            name: self.open(customer_id, name, value) if is_sealed(value) else value
            for name, value in values.items()
        }

    def open_columns(
        self, rows: pl.DataFrame, names: Collection[str] | None = None
    ) -> pl.DataFrame:
        """Return rows of ``decisions`` without sealed columns, those of ``names`` opened.

        ``names`` are features; ``None`` opens all. An opened column stands under its plain name,
        filled up with what was logged before the feature was sensitive.
        """
        for column in [name for name in rows.columns if name.startswith(SEALED_COLUMN)]:
            plain = column.removeprefix(SEALED_COLUMN)
            feature = plain.partition("_")[2]
            if names is None or feature in names:
                rows = rows.with_columns(self._opened(rows, column, plain))
            rows = rows.drop(column)
        return rows

    def _opened(self, rows: pl.DataFrame, column: str, plain: str) -> pl.Series:
        import polars as pl

        values = [
            None if sealed is None else self.open(customer_id, plain, sealed)
            for customer_id, sealed in zip(rows["customer_id"], rows[column], strict=True)
        ]
        opened = pl.Series(plain, values, _type(values))
        if plain not in rows.columns:
            return opened
        return (
            opened.to_frame()
            .select(
                pl.coalesce(plain, rows[plain].cast(opened.dtype, strict=False).alias("before"))
            )
            .to_series()
        )

    def _derived(self, purpose: str, customer_id: str) -> bytes:
        return hmac.digest(self._key, f"{purpose}\x00{customer_id}".encode(), "sha256")


def _type(values: Collection[Any]) -> pl.DataType:
    import polars as pl

    first = next((value for value in values if value is not None), 0.0)
    if isinstance(first, list):
        return pl.List(pl.Float32())
    return pl.String() if isinstance(first, str) else pl.Float32()


def is_sealed(value: object) -> bool:
    """Say whether a value is a sealed one."""
    return isinstance(value, str) and value.startswith(SEALED)


def hide_sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by name with :data:`HIDDEN` in the place of sealed ones."""
    return {name: HIDDEN if is_sealed(value) else value for name, value in values.items()}


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
