"""Segment's messages from Kafka, each taken in at least once and counted once.

Offsets are committed only after everything up to them has landed. What is delivered again after a
crash is told by its ``messageId``, or where it has none by its topic, partition and offset. While
the store is away or the log lags behind, the partitions are paused and nothing is read; the member
stays in its group. What cannot be taken in goes to the dead letters, with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from nba.domain.clock import Clock
from nba.errors import Fault, InputError, OverloadedError, UnavailableError
from nba.features import ItemResult, ItemStatus, ProfileService
from nba.ingestion.segment import Item, as_sent, open_envelope, read_message

_AT_ONCE = 500
_POLL_SECONDS = 0.5
_REBALANCING = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001  # the library writes its own codes so
    }
)
"""Why a commit is refused while the members of a group change."""

_PAUSED_POLL_SECONDS = 0.1
_FLUSH_SECONDS = 10.0
_ERRORS_HEADER = "nba-errors"


class DeadLetters(Protocol):
    """Where goes what cannot be taken in."""

    def put(self, body: bytes, faults: Sequence[Fault], origin: str) -> None:
        """Keep a message, what is wrong with it, and where it came from."""
        ...

    def flush(self) -> None:
        """Return once everything put is safe; :class:`UnavailableError` where it cannot be."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class DeadLetterFile:
    """Dead letters in a file, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def put(self, body: bytes, faults: Sequence[Fault], origin: str) -> None:
        """Keep a message."""
        text = body.decode("utf-8", errors="replace")
        line = {"origin": origin, "errors": faults, "body": text}
        self._file.write(msgspec.json.encode(line) + b"\n")

    def flush(self) -> None:
        """Hand everything to the kernel."""
        try:
            self._file.flush()
        except OSError as error:
            raise UnavailableError(f"dead letters cannot be written: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()


class DeadLetterTopic:
    """Dead letters in a topic: the message as it came, what is wrong with it in a header."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._failed: list[str] = []

    def put(self, body: bytes, faults: Sequence[Fault], origin: str) -> None:
        """Send a message."""
        errors = msgspec.json.encode({"origin": origin, "errors": faults})
        headers: list[tuple[str, str | bytes | None]] = [(_ERRORS_HEADER, errors)]
        self._producer.produce(self._topic, body, headers=headers, on_delivery=self._delivered)

    def flush(self) -> None:
        """Wait until the broker has them all."""
        left = self._producer.flush(_FLUSH_SECONDS)
        failed, self._failed = self._failed, []
        if left or failed:
            reason = failed[0] if failed else f"{left} are not acknowledged"
            raise UnavailableError(f"dead letters cannot be sent: {reason}")

    def close(self) -> None:
        """Wait a moment for what is under way."""
        self._producer.flush(_FLUSH_SECONDS)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(str(error))


@dataclass(slots=True)
class KafkaCounts:
    """What became of messages so far; ``poison`` bodies could not be read at all."""

    messages: int = 0
    poison: int = 0
    pauses: int = 0
    items: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, ItemStatus), 0))


@dataclass(slots=True)
class _Part:
    """One item of a message: where it came from and what it was sent as."""

    origin: str
    sent: Any
    item: Item


class KafkaIngestion:
    """Reads a topic and takes it in until it is stopped.

    Parameters
    ----------
    consumer
        Subscribed; commits nothing by itself.
    profiles
        Applies events and updates.
    dead_letters
        Takes what cannot be taken in.
    clock
        When messages arrive.
    has_room
        Says whether the log behind keeps up; while it does not, nothing is read.

    """

    def __init__(
        self,
        consumer: Consumer,
        profiles: ProfileService,
        dead_letters: DeadLetters,
        clock: Clock,
        has_room: Callable[[], Awaitable[bool]],
    ) -> None:
        self._consumer = consumer
        self._profiles = profiles
        self._dead_letters = dead_letters
        self._clock = clock
        self._has_room = has_room
        self._early: list[Message] = []
        self.counts = KafkaCounts()

    async def run(self, stop: asyncio.Event) -> None:
        """Read until ``stop`` is set; what was read by then has landed and is committed."""
        while not stop.is_set():
            await self.step(stop)

    async def step(self, stop: asyncio.Event) -> int:
        """Read some messages, take them in, commit; return how many there were."""
        messages, self._early = self._early, []
        messages += await asyncio.to_thread(self._consumer.consume, _AT_ONCE, _POLL_SECONDS)
        if not messages:
            return 0
        good = [message for message in messages if _is_good(message)]
        parts = [part for message in good for part in self._parts(message)]
        results = await self._land([part.item for part in parts], stop)
        if results is None:
            return 0
        for part, result in zip(parts, results, strict=True):
            self.counts.items[result.status] += 1
            if result.status is ItemStatus.REJECTED:
                faults = [as_sent(fault, part.sent) for fault in result.faults]
                self._dead_letters.put(msgspec.json.encode(part.sent), faults, part.origin)
        self._dead_letters.flush()
        self.counts.messages += len(good)
        await asyncio.to_thread(self._commit, good)
        return len(good)

    def _parts(self, message: Message) -> list[_Part]:
        origin = f"{message.topic()}:{message.partition()}:{message.offset()}"
        body = message.value() or b""
        try:
            envelope = open_envelope(body)
        except InputError as error:
            self.counts.poison += 1
            self._dead_letters.put(body, error.faults, origin)
            return []
        parts: list[_Part] = []
        now_ms = self._clock()
        for index, sent in enumerate(envelope.messages):
            place = f"{origin}:{index}"
            try:
                item = read_message(
                    envelope, index, received_at_ms=now_ms, fallback_id=place.__str__
                )
            except InputError as error:
                self.counts.items[ItemStatus.REJECTED] += 1
                self._dead_letters.put(_encoded(sent), error.faults, place)
                continue
            parts.append(_Part(place, sent, item))
        return parts

    async def _land(self, items: Sequence[Item], stop: asyncio.Event) -> list[ItemResult] | None:
        """Take items in, however long that takes; ``None`` where it is stopped meanwhile."""
        paused: list[TopicPartition] = []
        while True:
            try:
                if await self._has_room():
                    results = await self._profiles.ingest(items)
                    break
            except (OverloadedError, UnavailableError):
                pass
            if stop.is_set():
                return None
            paused = await self._wait(paused)
        if paused:
            self._consumer.resume(self._consumer.assignment())
        return results

    async def _wait(self, paused: list[TopicPartition]) -> list[TopicPartition]:
        """Read nothing for a moment, but stay in the group."""
        if not paused:
            self.counts.pauses += 1
        assigned: list[TopicPartition] = self._consumer.assignment()
        self._consumer.pause(assigned)
        message = await asyncio.to_thread(self._consumer.poll, _PAUSED_POLL_SECONDS)
        if message is not None:
            self._early.append(message)  # of a partition assigned a moment ago
        return assigned

    def _commit(self, messages: Sequence[Message]) -> None:
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if topic is not None and partition is not None and offset is not None:
                ends[topic, partition] = offset + 1
        offsets = [TopicPartition(topic, part, at) for (topic, part), at in ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # Partitions move between members: who has these now gets them again and counts them
            # once, or commits them with what follows.
            reason = error.args[0]
            moving = isinstance(reason, KafkaError) and reason.code() in _REBALANCING
            if not moving and set(ends) <= {
                (at.topic, at.partition) for at in self._consumer.assignment()
            }:
                raise


def open_consumer(brokers: str, topic: str, group: str) -> Consumer:
    """Subscribe to a topic as a member of a group, from its beginning where it is new."""
    consumer = Consumer(consumer_settings(brokers, group))
    consumer.subscribe([topic])
    return consumer


def consumer_settings(brokers: str, group: str) -> dict[str, str | int | float | bool | None]:
    """Return how a member of a group reads: nothing is committed before it has landed."""
    return {
        "bootstrap.servers": brokers,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
    }


def open_producer(brokers: str) -> Producer:
    """Open what sends dead letters."""
    return Producer({"bootstrap.servers": brokers, "enable.idempotence": True})


def _is_good(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise UnavailableError(f"Kafka: {error}")
    return False


def _encoded(sent: Any) -> bytes:
    try:
        return msgspec.json.encode(sent)
    except (TypeError, UnicodeEncodeError):
        return repr(sent).encode("utf-8", "replace")
