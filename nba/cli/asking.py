"""Commands that ask a running service: decide, explain, replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from nba.bootstrap import load_settings
from nba.cli.output import AsJson, console, print_json
from nba.errors import Fault, InputError, NbaError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from nba.settings import Settings

Url = Annotated[
    str | None,
    typer.Option(help="A running service; where NBA_HOST and NBA_PORT say by default."),
]
DecisionArgument = Annotated[str, typer.Argument(help="A decision's id.")]

_NOT_FOUND = 404
_UNAVAILABLE = 500


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(decide)
    app.command()(explain)
    app.command()(replay)


def decide(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    placement: Annotated[str, typer.Argument(help="The placement to fill.")],
    count: Annotated[int, typer.Option(help="At most so many choices.")] = 1,
    context: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the request's context; repeatable.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="Locale of the content.")] = None,
    url: Url = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Decide without recording.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a decision."""
    body = {
        "customer_id": customer,
        "placements": [{"id": placement, "count": count}],
        "context": dict(_pair(text) for text in context or []),
        "locale": locale,
        "mode": "dry_run" if dry_run else "live",
    }
    answer = ask("POST", url, "/v1/decisions", body)
    if as_json:
        print_json(answer)
        return
    console.print(f"decision {answer['decision_id']}, plan {answer['plan_version']}")
    for choice in answer["choices"]:
        reasons = ", ".join(choice["reasons"])
        console.print(
            f"  {choice['rank']}. {choice['action']} (propensity {choice['propensity']:.4f}, "
            f"score {choice['score']:.3f}, probability {choice['probability']:.3f}; {reasons})"
        )


def explain(decision_id: DecisionArgument, url: Url = None, *, as_json: AsJson = False) -> None:
    """Say for every candidate what dropped it, or how its score came about."""
    explained = ask("GET", url, f"/v1/decisions/{decision_id}/explain")
    if as_json:
        print_json(explained)
        return
    print_explanation(explained)


def replay(decision_id: DecisionArgument, url: Url = None, *, as_json: AsJson = False) -> None:
    """Decide again from the record alone and compare with what was answered, byte by byte."""
    given = fetch(url, f"/v1/decisions/{decision_id}")
    again = fetch(url, f"/v1/decisions/{decision_id}/replay")
    same = given == again
    if as_json:
        print_json({"decision_id": decision_id, "identical": same, "bytes": len(given)})
    else:
        console.print(f"{len(given)} bytes, {'identical' if same else 'NOT identical'}")
    if not same:
        raise typer.Exit(1)


def print_explanation(explained: dict[str, Any]) -> None:
    """Print an explanation as a table for each placement."""
    console.print(
        f"decision {explained['decision_id']} for {explained['customer_id']}, "
        f"plan {explained['plan_version']}, "
        f"replayed to the byte: {'yes' if explained['replayed'] else 'NO'}"
    )
    chosen = {choice["action"] for choice in explained["answer"]["choices"]}
    for placement in explained["placements"]:
        table = Table(title=placement["placement"], title_justify="left", box=None)
        for heading, justify in (
            ("action", "left"),
            ("propensity", "right"),
            ("value", "right"),
            ("score", "right"),
            ("probability", "right"),
            ("why", "left"),
        ):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a literal
        for one in sorted(placement["candidates"], key=_order):
            dropped = one["dropped_by"]
            why = dropped[0]["sentence"] if dropped else ""
            mark = "chosen" if one["action"] in chosen else why
            if one["action"] == placement.get("taken", {}).get("action"):
                mark = f"taken by the other system. {mark}".strip()
            table.add_row(
                one["action"],
                f"{one['propensity']:.4f}",
                f"{one['value']:.2f}",
                f"{one['score']:.3f}",
                f"{one['probability']:.3f}" if not dropped else "-",
                mark,
                style="bold" if one["action"] in chosen else ("dim" if dropped else ""),
            )
        console.print(table)
        for one in placement["candidates"]:
            drawn = [variant for variant in one["contents"] if variant["probability"]]
            if len(drawn) > 1:
                shares = ", ".join(f"{v['content']} {v['probability']:.3f}" for v in drawn)
                console.print(f"contents of {one['action']}, with the chance of each: {shares}")
            if one["goals"]:
                console.print(f"goals of {one['action']}: {_priced(one['goals'])}")


def _priced(goals: Mapping[str, Mapping[str, float]]) -> str:
    """Return goals with how likely each is, and what it is worth."""
    return ", ".join(
        f"{kind} {goal['propensity']:.4f} worth {goal['value']:.2f}" for kind, goal in goals.items()
    )


def _order(candidate: dict[str, Any]) -> tuple[bool, float]:
    return bool(candidate["dropped_by"]), -candidate["score"]


def ask(method: str, url: str | None, path: str, body: object = None) -> Any:
    """Return the decoded answer of a running service; raise what it refused."""
    return msgspec.json.decode(fetch(url, path, method=method, body=body))


def fetch(url: str | None, path: str, *, method: str = "GET", body: object = None) -> bytes:
    """Return the answer's bytes; raise what was refused."""
    import httpx

    settings = load_settings()
    if url is None:
        url = f"http://{settings.host}:{settings.port}"
    content = None if body is None else msgspec.json.encode(body)
    headers = credentials(settings)
    try:
        reply = httpx.request(method, url + path, content=content, headers=headers, timeout=10.0)
    except httpx.HTTPError as error:
        raise UnavailableError(f"no service answers at {url} ({error}); start `nba up`") from error
    if reply.is_success:
        return reply.content
    raise _refusal(reply)


def credentials(settings: Settings) -> dict[str, str]:
    """Return the headers that say who asks, none where no key is set."""
    return {} if settings.api_key is None else {"authorization": f"Bearer {settings.api_key}"}


def _refusal(reply: httpx.Response) -> NbaError:
    try:
        problem = msgspec.json.decode(reply.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        problem = {"title": f"status {reply.status_code}", "detail": reply.text[:200]}
    if reply.status_code == _NOT_FOUND and "detail" in problem:
        return NotFoundError(problem["detail"])
    if reply.status_code >= _UNAVAILABLE:
        return UnavailableError(f"{problem['title']}: {problem.get('detail', '')}")
    errors = problem.get("errors") or [
        {"pointer": "", "found": problem.get("detail", ""), "expected": problem["title"]}
    ]
    return InputError([Fault(e["pointer"], e["found"], e["expected"]) for e in errors])


def _pair(text: str) -> tuple[str, str | float | bool]:
    name, separator, value = text.partition("=")
    if not separator:
        raise InputError([Fault("--context", f"found {text!r}", "NAME=VALUE")])
    if value in {"true", "false"}:
        return name, value == "true"
    try:
        return name, float(value)
    except ValueError:
        return name, value
