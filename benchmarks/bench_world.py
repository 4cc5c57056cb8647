"""What deciding is worth in the simulated world, beside other ways under the same guardrails.

A history of random choices teaches a model; the real service, its worker learning on, then decides
over HTTP for 20,000 arrivals; the same arrivals are replayed under every baseline.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import figure, write
from nba.bootstrap import load_settings
from nba.cli.demonstration import Demonstration


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--decisions", type=int, default=20_000)
    arguments.add_argument("--history", type=int, default=16_000)
    arguments.add_argument("--days", type=float, default=120.0)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demonstration = Demonstration(
            load_settings(data_dir=Path(folder), port=18_090),
            history=given.history,
            decisions=given.decisions,
            seed=given.seed,
            as_json=False,
            live_days=given.days,
        )
        report = demonstration.run(serve=False)
    service, random, constant, nothing, optimum = report.rows
    how = (
        f"true expectation per decision, {service.decisions:,} decisions over HTTP in the world of "
        f"seed {given.seed}; the other policy replayed on the same arrivals and guardrails"
    )

    def times(other: float) -> float:
        return service.expected_value / other

    write(
        "world",
        [
            figure(
                f"service / {constant.name}",
                times(constant.expected_value),
                "ratio",
                how,
                at_least=1.15,
            ),
            figure("service / random", times(random.expected_value), "ratio", how),
            figure("service / no action", times(nothing.expected_value), "ratio", how),
            figure("service / optimum", times(optimum.expected_value), "ratio", how),
            figure(
                "guardrail violations",
                report.violations,
                "",
                "recounted from the ledger",
                at_most=0,
            ),
            figure("outcomes refused", report.refused_outcomes, "", "by the service", at_most=0),
            figure("service p50", report.service_p50_ms, "ms", "from its own histogram"),
            figure("service p99", report.service_p99_ms, "ms", "from its own histogram"),
            figure("latency p50", report.latency_p50_ms, "ms", "as the journey engine saw it"),
            figure("latency p99", report.latency_p99_ms, "ms", "as the journey engine saw it"),
        ],
    )


if __name__ == "__main__":
    main()
