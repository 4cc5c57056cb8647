"""The API: one FastAPI application whose routes are plain ASGI endpoints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import msgspec
import numpy as np
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from nba.access import Permission
from nba.bootstrap import Runtime, key_service, open_gate, open_log, open_runtime
from nba.control.opening import open_changes
from nba.decision.budgeting import Spending
from nba.decision.compiling import ChildCompiler
from nba.decision.content_arbitration import probabilities_or_even
from nba.decision.noting import open_profiles
from nba.decision.outcomes import OutcomeService
from nba.decision.pipeline import decide
from nba.decision.plan import Plan
from nba.decision.service import DecisionService
from nba.decision.situations import DecisionInputs
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import CustomerId, new_decision_id
from nba.errors import UnavailableError
from nba.features.items import Undeclared
from nba.ingestion.segment import TYPES
from nba.serving.admission import Admission
from nba.serving.catalog import CatalogEndpoints
from nba.serving.changes import ChangeEndpoints
from nba.serving.customers import CustomerRecords
from nba.serving.decisions import DecisionEndpoints
from nba.serving.docs import docs_routes
from nba.serving.endpoint import PUBLIC, Call, Endpoint, Operation
from nba.serving.events import EventEndpoints
from nba.serving.follower import LOOK_SECONDS, PlanFollower
from nba.serving.following import Following
from nba.serving.keys import KeyEndpoints
from nba.serving.metrics import Metrics
from nba.serving.openapi import openapi_document
from nba.serving.outcomes import OutcomeEndpoints
from nba.serving.problems import Reply, refusal
from nba.serving.reports import ReportEndpoints
from nba.serving.shared import SharedView
from nba.serving.simulating import SimulationEndpoints
from nba.settings import Settings
from nba.worker.pointing import Pointing

_REPLICA_BITS = 64

_logger = logging.getLogger(__name__)

Operations = Mapping[str, Mapping[str, Operation]]


class Application:
    """FastAPI's application, with the paths that take the traffic answered before its middleware.

    Its middleware and routing cost as much as scoring fifty candidates, and nothing in them
    concerns these paths.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.direct: dict[str, Endpoint] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        endpoint = self.direct.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
        else:
            await endpoint(scope, receive, send)


def create_app(settings: Settings) -> Application:
    """Build the API of one process; its stores are opened when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        compiler = ChildCompiler()
        async with open_runtime(settings, compiler) as runtime:
            metrics = Metrics()
            admission = Admission(
                runtime.ledger,
                metrics,
                max_in_flight=settings.max_items_in_flight,
                max_backlog=settings.max_ledger_backlog,
                poll_seconds=settings.poll_seconds,
            )
            view = SharedView(
                runtime.budgets,
                runtime.shared,
                clock=runtime.clock,
                poll_seconds=settings.poll_seconds,
            )
            follower = PlanFollower(
                runtime.ledger,
                runtime.rollouts,
                runtime.repository,
                replica=f"{runtime.random_bits(_REPLICA_BITS):x}",
                poll_seconds=min(settings.poll_seconds, LOOK_SECONDS),
                swapped=warm,
                prepared=view.look,
            )
            gate = open_gate(settings, runtime.api_keys, runtime.clock)
            operations = {
                **_operations(runtime, follower, view, admission, metrics),
                **_management(runtime, follower),
            }
            for path, by_method in operations.items():
                endpoint = Endpoint(by_method, gate, max_body_bytes=settings.max_body_bytes)
                app.router.routes.append(Route(path, endpoint))
                if "{" not in path:
                    application.direct[path] = endpoint
            app.router.routes.extend(docs_routes(openapi_document()))
            await gate.start()
            await follower.start()
            tasks = [asyncio.create_task(one.run()) for one in (follower, view, admission, gate)]
            yield
            for task in tasks:
                task.cancel()
            with suppress(UnavailableError):
                await follower.leave()
            await asyncio.to_thread(compiler.close)

    app = FastAPI(
        title="NBA",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _not_allowed)
    application = Application(app)
    return application


async def _not_found(request: Request, _: Exception) -> Response:
    reply = refusal(404, "not-found", "There is no such thing", f"nothing is at {request.url.path}")
    return Response(reply.body, reply.status, media_type=reply.content_type)


async def _not_allowed(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    detail = f"{request.method} is not answered here"
    reply = refusal(405, "method-not-allowed", "Method not allowed", detail)
    return Response(reply.body, reply.status, headers, media_type=reply.content_type)


def _operations(
    runtime: Runtime,
    follower: PlanFollower,
    view: SharedView,
    admission: Admission,
    metrics: Metrics,
) -> Operations:
    clock = runtime.clock
    profiles, noting = open_profiles(
        runtime.profiles,
        follower.writing,
        clock,
        runtime.ledger,
        follower.plan,
        undeclared=Undeclared(runtime.settings.undeclared),
    )
    service = DecisionService(
        follower.plan,
        runtime.ledger,
        clock=clock,
        random_bits=runtime.random_bits,
        follow=profiles.aliases.follow,
        timers=metrics.timer,
        shared=view,
        spending=Spending(runtime.budgets, view.note),
    )
    decisions = DecisionEndpoints(service, runtime.ledger, runtime.repository, metrics)
    outcomes = OutcomeService(
        runtime.ledger,
        clock=clock,
        plan=follower.plan,
        interact=profiles.interact,
        noting=noting,
    )
    customers = EventEndpoints(
        profiles,
        runtime.profiles,
        CustomerRecords(
            runtime.ledger,
            runtime.profiles,
            profiles.aliases,
            runtime.repository,
            lambda: open_log(runtime.settings),
            clock,
        ),
        follower,
        admission=admission,
        clock=clock,
        random_bits=runtime.random_bits,
        metrics=metrics,
    )

    async def alive(_: Call) -> Reply:
        return Reply(b'{"status":"alive"}')

    async def ready(_: Call) -> Reply:
        plan = follower.plan()
        if plan is None:
            return refusal(503, "not-ready", "Not ready", "no plan is live yet", retry_after=1)
        await runtime.connection.execute("PING")
        return Reply(msgspec.json.encode({"status": "ready", "plan_version": plan.version}))

    async def measured(_: Call) -> Reply:
        plan = follower.plan()
        if plan is not None:
            metrics.live(plan.digest, plan.snapshot)
        return metrics.render()

    may = Permission
    taking = may.WRITE_CUSTOMERS
    return {
        "/v1/decisions": {"POST": Operation(may.DECIDE, decisions.decide)},
        "/v1/outcomes": {
            "POST": Operation(may.REPORT, OutcomeEndpoints(outcomes, clock, metrics).report)
        },
        "/v1/events": {"POST": Operation(taking, customers.taking())},
        "/v1/batch": {"POST": Operation(taking, customers.taking())},
        **{f"/v1/{type_}": {"POST": Operation(taking, customers.taking(type_))} for type_ in TYPES},
        "/v1/decisions/{decision_id}": {"GET": Operation(may.READ_DECISIONS, decisions.get)},
        "/v1/decisions/{decision_id}/explain": {
            "GET": Operation(may.READ_DECISIONS, decisions.explain)
        },
        "/v1/decisions/{decision_id}/replay": {
            "GET": Operation(may.READ_DECISIONS, decisions.replay)
        },
        # A customer's id may hold slashes, so what follows it is looked for first.
        "/v1/customers/{customer_id:path}/timeline": {
            "GET": Operation(may.READ_CUSTOMERS, customers.timeline)
        },
        "/v1/customers/{customer_id:path}/export": {
            "GET": Operation(may.EXPORT_CUSTOMERS, customers.export)
        },
        "/v1/customers/{customer_id:path}/consents": {
            "GET": Operation(may.READ_CUSTOMERS, customers.consents)
        },
        "/v1/customers/{customer_id:path}/erasure": {
            "GET": Operation(may.READ_CUSTOMERS, customers.erasure)
        },
        "/v1/customers/{customer_id:path}": {
            "GET": Operation(may.READ_CUSTOMERS, customers.get),
            "PUT": Operation(may.WRITE_CUSTOMERS, customers.put),
            "DELETE": Operation(may.ERASE_CUSTOMERS, customers.delete),
        },
        "/healthz": {"GET": Operation(PUBLIC, alive)},
        "/readyz": {"GET": Operation(PUBLIC, ready)},
        "/metrics": {"GET": Operation(may.READ_METRICS, measured)},
    }


def _management(runtime: Runtime, follower: PlanFollower) -> Operations:
    service = open_changes(runtime.settings, runtime.control, runtime.repository)
    following = Following(follower, Pointing(runtime.ledger, runtime.control))
    return {
        **ChangeEndpoints(service, following).operations(),
        **SimulationEndpoints(runtime.settings, service).operations(),
        **ReportEndpoints(runtime.settings).operations(),
        **CatalogEndpoints(service, runtime.control, following).operations(),
        **KeyEndpoints(key_service(runtime.api_keys, runtime.clock)).operations(),
    }


def warm(plan: Plan) -> None:
    """Decide once in every placement, so that no request pays for a first time."""
    features = plan.features.read(None, at_ms=0).features.astype(np.float32)
    for placement, slot in plan.placements.items():
        request = DecisionRequest(
            customer_id=CustomerId("warm-up"), placements=(PlacementRequest(id=placement),)
        )
        inputs = DecisionInputs(
            decision_id=new_decision_id(0, 0, 0),
            at_ms=0,
            seed=0,
            request=request,
            features=features,
            consents={},
            time_zone=None,
            locale=None,
            history=EMPTY_HISTORY,
        )
        decide(plan, inputs)
        contents = slot.content_arbitration
        if contents is not None:  # what was just decided may have had one variant alone
            competing = np.flatnonzero(contents.columns >= 0)
            probabilities_or_even(contents, competing, 0.0, plan.learner_inputs(features), 1.0)
