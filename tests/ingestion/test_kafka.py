"""A topic lands whole and once, over the real protocol: librdkafka's own broker on real sockets."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from nba.errors import OverloadedError, UnavailableError
from nba.features import ProfileService
from nba.ingestion.kafka import (
    DeadLetterFile,
    DeadLetterTopic,
    KafkaIngestion,
    consumer_settings,
    open_consumer,
    open_producer,
)

WAIT_SECONDS = 60.0
PARTITIONS = 4
"""Of a topic the cluster makes by itself."""


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """Address of a cluster of one broker that speaks Kafka's protocol."""
    owner = Producer({"test.mock.num.brokers": 1})
    (found,) = owner.list_topics(timeout=WAIT_SECONDS).brokers.values()
    yield f"{found.host}:{found.port}"
    owner.flush(WAIT_SECONDS)


@pytest.fixture
def topic() -> str:
    return f"events-{uuid.uuid4().hex}"


def send(broker: str, topic: str, *bodies: Any) -> None:
    producer = open_producer(broker)
    for body in bodies:
        packed = body if isinstance(body, bytes) else json.dumps(body).encode()
        producer.produce(topic, packed)
    assert producer.flush(WAIT_SECONDS) == 0


def read_all(broker: str, topic: str, count: int) -> list[Any]:
    consumer = Consumer(consumer_settings(broker, uuid.uuid4().hex))
    consumer.assign([TopicPartition(topic, part) for part in range(PARTITIONS)])
    found: list[Any] = []
    while len(found) < count:
        found += consumer.consume(count - len(found), WAIT_SECONDS)
    consumer.close()
    return found


def buy(customer_id: str, message_id: str | None, **properties: Any) -> dict[str, Any]:
    message = {"type": "track", "userId": customer_id, "event": "buy", "properties": properties}
    return message if message_id is None else {**message, "messageId": message_id}


class Reading:
    """An ingestion of one topic, and how far it committed."""

    def __init__(self, shop: Any, broker: str, topic: str, **more: Any) -> None:
        self.topic = topic
        self.file = shop.folder / "dead.jsonl"
        self.letters = more.get("letters") or DeadLetterFile(self.file)
        if more.get("as_member"):
            self.consumer = open_consumer(broker, topic, "nba")
        else:  # joining a group takes seconds
            self.consumer = Consumer(consumer_settings(broker, f"nba-{topic}"))
            self.consumer.assign([TopicPartition(topic, part) for part in range(PARTITIONS)])
        self.ingestion = KafkaIngestion(
            self.consumer,
            more.get("service", shop.service),
            self.letters,
            shop.clock,
            more.get("has_room", _room),
        )

    def close(self) -> None:
        """Leave."""
        self.consumer.close()
        self.letters.close()

    def until(self, is_enough: Callable[[], bool]) -> None:
        """Read until there is enough."""

        async def main() -> None:
            stop = asyncio.Event()
            async with asyncio.timeout(WAIT_SECONDS):
                while not is_enough():
                    await self.ingestion.step(stop)

        asyncio.run(main())

    @property
    def committed(self) -> int:
        """How many messages are committed."""
        partitions = [TopicPartition(self.topic, part) for part in range(PARTITIONS)]
        found = self.consumer.committed(partitions, timeout=WAIT_SECONDS)
        return sum(max(partition.offset, 0) for partition in found)

    def dead(self) -> list[dict[str, Any]]:
        """Return the dead letters."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


async def _room() -> bool:
    return True


def test_messages_land_and_are_committed(shop: Any, broker: str, topic: str) -> None:
    send(
        broker,
        topic,
        buy("anna", "m1", amount=2),
        {"batch": [buy("anna", "m2", amount=4), buy("boris", "m3", amount=8)]},
        {"type": "identify", "userId": "anna", "traits": {"age": 40}},
    )
    reading = Reading(shop, broker, topic)
    reading.until(lambda: reading.ingestion.counts.messages == 3)
    assert reading.ingestion.counts.items["recorded"] == 4
    assert (shop.row("anna")["spend"], shop.row("anna")["age"]) == (6.0, 40.0)
    assert shop.row("boris")["spend"] == 8.0
    assert reading.committed == 3
    reading.close()


def test_poison_goes_to_the_dead_letters_and_everything_else_lands(
    shop: Any, broker: str, topic: str
) -> None:
    send(
        broker,
        topic,
        b"\xff not json",
        buy("anna", "m1", amount="dear"),
        {"batch": [buy("anna", "m2", amount=1), {"type": "track"}, buy("x" * 300, "m3")]},
        buy("anna", "m4", amount=2),
        b'{"type":"track","userId":"anna","event":"buy","messageId":"m5","properties":'
        b'{"amount":NaN}}',
    )
    reading = Reading(shop, broker, topic)
    counts = reading.ingestion.counts
    reading.until(lambda: counts.messages == 5)
    assert shop.row("anna")["spend"] == 3.0
    assert (counts.poison, counts.items["rejected"], counts.items["recorded"]) == (1, 4, 2)
    dead = reading.dead()
    assert sorted(error["place"] for letter in dead for error in letter["errors"]) == [
        *("", "/event", "/properties/amount", "/properties/amount", "/userId")
    ]
    assert all(letter["origin"].startswith(f"{topic}:") for letter in dead)
    assert reading.committed == 5
    reading.close()


def test_dead_letters_may_go_to_a_topic(shop: Any, broker: str, topic: str) -> None:
    send(broker, topic, b"{", buy("anna", "m1", amount=1))
    letters = DeadLetterTopic(open_producer(broker), f"{topic}-dead")
    reading = Reading(shop, broker, topic, letters=letters)
    reading.until(lambda: reading.ingestion.counts.messages == 2)
    (letter,) = read_all(broker, f"{topic}-dead", 1)
    assert letter.value() == b"{"
    ((name, errors),) = letter.headers()
    assert name == "nba-errors"
    assert json.loads(errors)["errors"][0]["expected"] == "send valid JSON"
    reading.close()


def test_dead_letters_that_are_not_safe_hold_everything_up(tmp_path: Path) -> None:
    nobody = Producer({"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 200})
    letters = DeadLetterTopic(nobody, "dead")
    letters.put(b"{", [], "t:0:0")
    with pytest.raises(UnavailableError, match="dead letters cannot be sent"):
        letters.flush()
    letters.close()
    full = DeadLetterFile(Path("/dev/full"))
    full.put(b"{", [], "t:0:0")
    with pytest.raises(UnavailableError, match="dead letters cannot be written"):
        full.flush()
    full.close()


def test_what_was_taken_in_but_not_committed_counts_once(
    shop: Any, broker: str, topic: str
) -> None:
    send(broker, topic, buy("anna", "m1", amount=1), buy("anna", None, amount=2))

    class NeverCommits(KafkaIngestion):
        def _commit(self, _: Any) -> None:
            raise MemoryError

    dying = Reading(shop, broker, topic)
    dying.ingestion.__class__ = NeverCommits
    with pytest.raises(MemoryError):
        dying.until(lambda: False)
    assert shop.row("anna")["orders"] >= 1.0
    dying.close()
    again = Reading(shop, broker, topic)
    again.until(lambda: again.ingestion.counts.messages == 2)
    assert shop.row("anna")["spend"] == 3.0
    assert again.ingestion.counts.items["duplicate"] >= 1
    again.close()


class Busy(ProfileService):
    """A service whose store is away, then busy, then there."""

    troubles: list[Exception]

    async def ingest(self, *items: Any, **more: Any) -> Any:
        """Take items in, or say why not."""
        if self.troubles:
            raise self.troubles.pop()
        return await super().ingest(*items, **more)


def test_while_there_is_no_room_nothing_is_read_nor_lost(
    shop: Any, broker: str, topic: str
) -> None:
    send(broker, topic, *[buy("anna", f"m{i}", amount=1) for i in range(10)])
    rooms = [True, False, False]
    service = Busy(shop.store, shop.service._features, shop.clock)
    service.troubles = [
        OverloadedError("busy", retry_after_seconds=1),
        UnavailableError("the store cannot be reached"),
    ]
    reading = Reading(shop, broker, topic, service=service, has_room=lambda: _next(rooms))
    reading.until(lambda: reading.ingestion.counts.messages == 10)
    assert reading.ingestion.counts.pauses >= 1
    assert shop.row("anna")["spend"] == 10.0
    assert reading.committed == 10
    # It goes on reading afterwards.
    send(broker, topic, buy("anna", "later", amount=1))
    reading.until(lambda: reading.ingestion.counts.messages == 11)
    reading.close()


async def _next(rooms: list[bool]) -> bool:
    return rooms.pop() if rooms else True


def test_it_stops_when_told_even_while_it_waits(shop: Any, broker: str, topic: str) -> None:
    send(broker, topic, buy("anna", "m1", amount=1))
    reading = Reading(shop, broker, topic, has_room=lambda: _next([False]))

    async def main() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(reading.ingestion.run(stop))
        while not reading.ingestion.counts.pauses:  # noqa: ASYNC110  # counts tell nobody
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(running, WAIT_SECONDS)

    asyncio.run(main())
    assert reading.committed == 0
    assert shop.row("anna")["orders"] == 0.0
    reading.close()


def test_two_members_share_a_topic_and_each_message_counts_once(
    shop: Any, broker: str, topic: str
) -> None:
    send(broker, topic, *[buy(f"c{i % 7}", f"m{i}", amount=1) for i in range(200)])
    first, second = (Reading(shop, broker, topic, as_member=True) for _ in range(2))

    def landed() -> int:
        return sum(r.ingestion.counts.items["recorded"] for r in (first, second))

    async def main() -> None:
        stop = asyncio.Event()
        async with asyncio.timeout(WAIT_SECONDS):
            tasks = [asyncio.create_task(r.ingestion.run(stop)) for r in (first, second)]
            while landed() < 200:  # noqa: ASYNC110  # counts tell nobody
                await asyncio.sleep(0.02)
            stop.set()
            await asyncio.gather(*tasks)

    asyncio.run(main())
    assert sum(shop.row(f"c{i}")["orders"] for i in range(7)) == 200.0
    first.close()
    second.close()


def test_a_commit_the_broker_refuses_is_an_error_only_while_the_partition_is_ours(
    shop: Any, broker: str, topic: str
) -> None:
    send(broker, topic, buy("anna", "m1", amount=1))
    reading = Reading(shop, broker, topic)

    class Refusing:
        def __init__(self, assigned: list[TopicPartition]) -> None:
            self.assigned = assigned

        def commit(self, **_: Any) -> None:
            raise KafkaException("illegal generation")

        def assignment(self) -> list[TopicPartition]:
            return self.assigned

    (message,) = read_all(broker, topic, 1)
    reading.ingestion._consumer = Refusing([])  # type: ignore[assignment]
    reading.ingestion._commit([message])
    ours = [TopicPartition(topic, message.partition())]
    reading.ingestion._consumer = Refusing(ours)  # type: ignore[assignment]
    with pytest.raises(KafkaException):
        reading.ingestion._commit([message])
    reading.close()
