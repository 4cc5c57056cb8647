"""The command that erases a customer, waits for it, and shows the proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from nba.bootstrap import load_settings
from nba.cli.asking import Url, ask
from nba.cli.output import AsJson, console, print_json, progress_bar
from nba.errors import UnavailableError

_POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(erase)


def erase(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    url: Url = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the worker.")] = 120.0,
    *,
    verify: Annotated[
        bool, typer.Option(help="Then search every file of the data folder here too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a customer everywhere, wait until it is done, and show where was searched."""
    path = f"/v1/customers/{quote(customer, safe='')}"
    asked = ask("DELETE", url, path)
    with progress_bar(quiet=as_json) as bar:
        bar.add_task(f"erasing, with {asked['decisions']} decisions", total=None)
        proof = _wait(url, asked["erasure"], wait)
    if verify:
        proof["verified"] = search_files(load_settings().data_dir, customer)
    if as_json:
        print_json(proof)
    else:
        _print(proof)
    if proof["status"] != "done" or (verify and proof["verified"]["found"]):
        raise typer.Exit(1)


def _wait(url: str | None, path: str, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        proof: dict[str, Any] = ask("GET", url, path)
        if proof["status"] != "pending":
            return proof
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the customer is erased online, but the worker has not finished in {seconds:g} s; "
                "see that it runs, and ask again"
            )
        time.sleep(_POLL_SECONDS)


def search_files(folder: Path, customer: str) -> dict[str, Any]:
    """Search a folder's files for a customer's id; Parquet files by their rows.

    ``found`` names the files it is in. An id too short to be told from chance is looked for in the
    rows alone.
    """
    import polars as pl

    from nba.worker.erasing import MIN_SEARCHED_BYTES, files_in, holds_any

    needle = customer.encode()
    found = []
    files = list(files_in(folder))
    for file in files:
        if file.suffix == ".parquet":
            words = pl.scan_parquet(file).select(pl.col(pl.String)).collect()
            hit = any((column == customer).any() for column in words.iter_columns())
        else:
            hit = len(needle) >= MIN_SEARCHED_BYTES and holds_any(file, [needle])
        if hit:
            found.append(str(file.relative_to(folder)))
    return {"files": len(files), "found": found}


def _print(proof: dict[str, Any]) -> None:
    console.print(f"{proof['status']}: {proof['ids']} id(s), {proof['decisions']} decision(s)")
    table = Table(box=None)
    for heading in ("place", "searched", "found", "written since"):
        table.add_column(heading, justify="left" if heading == "place" else "right")
    for place in proof["searched"]:
        counts = (place["searched"], place["found"], place["written_since"])
        table.add_row(place["place"], *(f"{count:,}" for count in counts))
    console.print(table)
    if "verified" in proof:
        console.print(f"{proof['verified']['files']:,} files of the data folder searched again:")
        console.print("\n".join(proof["verified"]["found"]) or "found in none")
