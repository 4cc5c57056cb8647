"""Commands that run something: the service, its processes, the simulator, the demonstration."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from nba.bootstrap import configure_logging, load_settings, open_control, open_registry
from nba.cli.output import AsJson, console, print_json, progress_bar
from nba.cli.projects import ProjectDir

Port = Annotated[int | None, typer.Option(help="Port of the API; NBA_PORT by default.")]
DataDir = Annotated[
    Path | None, typer.Option("--data", help="Data folder; NBA_DATA_DIR by default.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(demo)
    app.command()(simulate)
    app.command(hidden=True)(api)
    app.command(hidden=True)(worker)
    app.command(hidden=True)(prepare)


def up(
    project: ProjectDir = None,
    data: DataDir = None,
    port: Port = None,
    api_processes: Annotated[int | None, typer.Option(help="API processes.")] = None,
) -> None:
    """Run the service: store, MLflow, API and worker as one process tree."""
    from nba.serving.supervisor import Supervisor

    settings = load_settings(
        project_dir=project, data_dir=data, port=port, api_processes=api_processes
    )
    configure_logging(settings)
    supervisor = Supervisor(settings)
    supervisor.heed_signals()
    try:
        supervisor.start()
        console.print(f"API on http://{settings.host}:{settings.port}, its reference at /docs")
        if "mlflow" in supervisor.processes:
            console.print(f"MLflow on http://{settings.host}:{settings.mlflow_port}")
        supervisor.watch()
    finally:
        supervisor.stop()


def demo(
    data: DataDir = None,
    port: Port = None,
    decisions: Annotated[int, typer.Option(help="Live decisions to play.")] = 4_000,
    history: Annotated[int, typer.Option(help="Decisions of history to learn from.")] = 16_000,
    seed: Annotated[int, typer.Option(help="Of the simulated world.")] = 7,
    *,
    serve: Annotated[bool, typer.Option(help="Keep serving afterwards.")] = True,
    as_json: AsJson = False,
) -> None:
    """Watch it work: history, training, live decisions, results, one decision explained."""
    from nba.cli.demonstration import Demonstration

    settings = load_settings(port=port)
    demonstration = Demonstration(
        settings.model_copy(update={"data_dir": data or settings.data_dir / "demo"}),
        history=history,
        decisions=decisions,
        seed=seed,
        as_json=as_json,
    )
    demonstration.run(serve=serve)


def simulate(
    url: Annotated[str, typer.Option(help="A running service.")] = "http://127.0.0.1:8080",
    project: ProjectDir = None,
    decisions: Annotated[int, typer.Option(help="How many arrivals to play.")] = 1_000,
    customers: Annotated[int, typer.Option(help="How many customers the world has.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Of the simulated world.")] = 7,
    workers: Annotated[int, typer.Option(help="Decisions under way at once.")] = 8,
    *,
    as_json: AsJson = False,
) -> None:
    """Play the journey engine against a running service, as fast as it answers."""
    from nba.cli.playing import play_now
    from nba.simulator.report import latency_percentiles, summarise

    settings = load_settings(project_dir=project)
    with progress_bar(quiet=as_json) as bar:
        memory = asyncio.run(
            play_now(
                settings,
                url,
                decisions=decisions,
                customers=customers,
                seed=seed,
                workers=workers,
                bar=bar,
            )
        )
    row, (p50_ms, p99_ms) = summarise("service", memory), latency_percentiles(memory)
    if as_json:
        print_json({"service": row, "latency_p50_ms": p50_ms, "latency_p99_ms": p99_ms})
        return
    console.print(
        f"{row.decisions:,} decisions, {row.accept_rate:.2%} accepted, "
        f"{row.expected_value:.3f} a decision; p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms"
    )


def api() -> None:
    """Run one API process (started by ``nba up``)."""
    from nba.serving.api import serve

    settings = load_settings()
    configure_logging(settings)
    serve(settings)


def worker() -> None:
    """Run the worker (started by ``nba up``)."""
    from nba.cli.bandit import fitter_if_installed
    from nba.worker.main import run_worker

    settings = load_settings()
    configure_logging(settings)
    asyncio.run(run_worker(settings, fitter_if_installed()))


def prepare() -> None:
    """Make the tables of a new data folder (run by ``nba up`` before anything shares them)."""
    settings = load_settings()
    configure_logging(settings)
    open_control(settings).close()
    open_registry(settings).versions("conversion")
