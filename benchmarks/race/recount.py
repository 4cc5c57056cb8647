"""Counts again, from the ledger alone, what caps and budgets allowed: shares no code with ``nba``.

``follow`` copies the ledger's streams, decision records and outcomes to a file while the race runs;
``check`` reads that file, the YAML of the policies, and the store's own counters, and prints what
it finds as JSON. Entries are in the order of the one server's stream ids; of entries with the same
millisecond outcomes come first, since what they give back may have been taken again.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import redis
import yaml

_SECONDS = {"S": 1, "M": 60, "H": 3_600, "m": 60, "h": 3_600}
_COUNT = 2_000


def follow(url: str, prefix: str, partitions: int, out: Path, stop: Path) -> None:
    """Copy what every stream says until ``stop`` exists and nothing more comes."""
    store = redis.Redis.from_url(url, socket_timeout=None)
    names = [f"{prefix}:{{{number:03x}}}ledger" for number in range(partitions)]
    positions: dict[Any, Any] = dict.fromkeys(names, "0-0")
    with out.open("w") as file:
        while True:
            ending = stop.exists()
            read = store.xread(positions, count=_COUNT, block=100)
            for stream, entries in read or ():
                name = stream.decode()
                tag = name[: name.index("}") + 1]
                kept = [(i, e) for i, e in entries if e[b"t"] in (b"d", b"o")]
                ids = [f"{tag}d:{e[b'b'].decode()}" for _, e in kept if e[b"t"] == b"d"]
                records = iter(store.mget(ids) if ids else ())
                for position, entry in kept:
                    file.write(json.dumps(_line(name, position, entry, records)) + "\n")
                positions[name] = entries[-1][0]
            if ending and not read:
                return


def _line(name: str, position: bytes, entry: dict[bytes, bytes], records: Any) -> dict[str, Any]:
    ms, sequence = (int(part) for part in position.decode().split("-"))
    at = {"stream": name, "ms": ms, "sequence": sequence}
    if entry[b"t"] == b"o":
        outcome = msgspec.msgpack.decode(entry[b"b"])
        parts = ("outcome_id", "decision_id", "choice", "kind", "at_ms", "received_at_ms", "value")
        return {**at, "type": "outcome", **dict(zip(parts, outcome, strict=True))}
    record = msgspec.msgpack.decode(next(records), strict=False)
    answer = json.loads(record[-1])
    return {
        **at,
        "type": "decision",
        "decision_id": record[1],
        "customer_id": record[2],
        "at_ms": record[3],
        "plan": record[5].split(".")[0],
        "choices": answer["choices"],
    }


def seconds_of(text: str) -> int:
    """Read ``PT1M`` and ``1m`` alike."""
    number, unit = re.fullmatch(r"(?:PT)?(\d+)([SMHmh])", text).groups()  # type: ignore[union-attr]
    return int(number) * _SECONDS[unit]


def selects(policy: dict[str, Any], choice: dict[str, Any]) -> bool:
    """Say whether a choice is a policy's business."""
    chosen = policy.get("applies_to", {})
    return (
        choice["action"] != "no_action"
        and choice["action"] in chosen.get("actions", [choice["action"]])
        and choice["placement"] in chosen.get("placements", [choice["placement"]])
    )


class Recount:
    """All that happened, and what the rules say about it."""

    def __init__(self, lines: list[dict[str, Any]], root: Path) -> None:
        self.lines = sorted(
            lines, key=lambda e: (e["ms"], e["type"] == "decision", e["stream"], e["sequence"])
        )
        catalog = yaml.safe_load((root / "catalog/catalog.yaml").read_text())
        self.costs = {action["id"]: action.get("cost", 0) for action in catalog["actions"]}
        rules = yaml.safe_load((root / "policies/policies.yaml").read_text())["policies"]
        self.caps = [rule for rule in rules if rule["kind"] == "contact_cap"]
        self.budgets = [rule for rule in rules if rule["kind"] == "budget"]
        self.decisions = [line for line in self.lines if line["type"] == "decision"]
        self.outcomes: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for line in self.lines:
            if line["type"] == "outcome":
                self.outcomes[line["decision_id"], line["choice"]].append(line)

    def cap_violations(self) -> dict[str, int]:
        """Count contacts that no cap should have let through, by cap."""
        found = {cap["id"]: 0 for cap in self.caps}
        for cap in self.caps:
            contacts: dict[str, list[tuple[int, int, list[dict[str, Any]]]]] = defaultdict(list)
            for decision in self.decisions:
                for number, choice in enumerate(decision["choices"]):
                    if selects(cap, choice):
                        earlier = contacts[decision["customer_id"]]
                        found[cap["id"]] += self._full(cap, decision, earlier)
                        told = self.outcomes[decision["decision_id"], number]
                        earlier.append((decision["at_ms"], decision["ms"], told))
        return found

    @staticmethod
    def _full(
        cap: dict[str, Any],
        decision: dict[str, Any],
        earlier: list[tuple[int, int, list[dict[str, Any]]]],
    ) -> bool:
        """Say whether as many as allowed counted when one more was chosen."""
        now, window = decision["at_ms"], seconds_of(cap["window"]) * 1_000
        counted = 0
        for at, _, outcomes in earlier[-500:]:
            since = at
            if cap.get("counting", "decision") != "decision":
                known = [o for o in outcomes if o["ms"] <= decision["ms"]]
                confirmed = [o["at_ms"] for o in known if o["kind"] == cap["counting"]]
                if confirmed:
                    since = max(confirmed)
                elif any(o["kind"] in cap["release"] for o in known):
                    continue
            counted += since > now - window
        return counted >= cap["limit"]

    def budget_report(self) -> dict[str, Any]:
        """Return by budget how often it was overspent, and what is spent in each period."""
        found = {}
        for budget in self.budgets:
            changes = sorted(self._changes(budget))
            running: dict[int, int] = defaultdict(int)
            over = 0
            limit = self._units(budget, budget["limit"])
            for _, _, period, units in changes:
                running[period] += units
                over += units > 0 and running[period] > limit
            fullest = max(running.values(), default=0)
            found[budget["id"]] = {
                "overspent": over,
                "limit": limit,
                "fullest_period": fullest,
                "periods": {str(period): units for period, units in sorted(running.items())},
            }
        return found

    def _changes(self, budget: dict[str, Any]) -> Any:
        """Iterate over (when, give back first, period, units)."""
        counting = budget.get("counting", "decision")
        hold_ms = seconds_of(budget["hold"]) * 1_000 if "hold" in budget else None
        for decision in self.decisions:
            for number, choice in enumerate(decision["choices"]):
                if not selects(budget, choice):
                    continue
                units = 1
                if budget.get("unit") == "money":
                    units = -int(-round(self.costs[choice["action"]] * 100, 6) // 1)
                at = decision["at_ms"]
                length = seconds_of(budget["period"]) if "period" in budget else None
                period = at // 1_000 // length * length if length else 0
                yield decision["ms"], 1, period, units
                if hold_ms is None:
                    continue
                told = self.outcomes[decision["decision_id"], number]
                in_time = [o for o in told if o["received_at_ms"] <= at + hold_ms]
                decisive = [
                    o for o in in_time if o["kind"] == counting or o["kind"] in budget["release"]
                ]
                if decisive and decisive[0]["kind"] != counting:
                    yield decisive[0]["ms"], 0, period, -units
                elif not decisive and counting != "decision":
                    yield at + hold_ms, 0, period, -units

    @staticmethod
    def _units(budget: dict[str, Any], number: float) -> int:
        return round(number * 100) if budget.get("unit") == "money" else round(number)

    def mixed_answers(self, versions: dict[str, dict[str, Any]]) -> int:
        """Count answers that are not wholly of the version they say they are of."""
        mixed = 0
        for decision in self.decisions:
            version = versions[decision["plan"]]
            mixed += any(
                choice["action"] in version["forbidden"]
                or choice["slots"].get("title") != f"version {version['number']}"
                for choice in decision["choices"]
                if choice["action"] != "no_action"
            )
        return mixed


def counters(url: str, prefix: str) -> dict[str, dict[str, int]]:
    """Return what the store says is spent: by budget and start of period."""
    store = redis.Redis.from_url(url)
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for key in store.scan_iter(f"{prefix}:{{b*}}spent:*", count=1_000):
        start, _, policy = key.decode().split("}spent:")[1].split(":", 2)
        found[policy][start] = int(store.hget(key, "s") or 0)
    return found


def check(url: str, prefix: str, root: Path, events: Path, versions: Path) -> dict[str, Any]:
    """Return everything found."""
    recount = Recount([json.loads(line) for line in events.read_text().splitlines()], root)
    budgets = recount.budget_report()
    kept = counters(url, prefix)
    for name, found in budgets.items():
        spent = {period: units for period, units in found.pop("periods").items() if units}
        stored = {period: units for period, units in kept.get(name, {}).items() if units}
        found["periods"] = len(spent)
        found["counters_that_differ"] = sum(
            spent.get(period, 0) != stored.get(period, 0) for period in {*spent, *stored}
        )
    ids = [decision["decision_id"] for decision in recount.decisions]
    return {
        "decisions": len(ids),
        "decided_twice": len(ids) - len(set(ids)),
        "contacts": sum(
            choice["action"] != "no_action" for d in recount.decisions for choice in d["choices"]
        ),
        "outcomes": sum(len(told) for told in recount.outcomes.values()),
        "cap_violations": recount.cap_violations(),
        "budgets": budgets,
        "mixed_answers": recount.mixed_answers(json.loads(versions.read_text())),
    }


def main() -> None:
    """Run one of the two."""
    what, *rest = sys.argv[1:]
    if what == "follow":
        url, prefix, partitions, out, stop = rest
        follow(url, prefix, int(partitions), Path(out), Path(stop))
        return
    url, prefix, root, events, versions = rest
    started = time.monotonic()
    found = check(url, prefix, Path(root), Path(events), Path(versions))
    print(json.dumps({**found, "seconds": round(time.monotonic() - started, 1)}))


if __name__ == "__main__":
    main()
