"""The same job as it is usually written by hand: FastAPI, pydantic, redis-py, Booster.predict.

No guardrails, no exploration, no record: it reads the customer, scores the candidates and answers
the best.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lightgbm
import numpy as np
import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

os.sched_setaffinity(0, {0})
port, folder, redis_url = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
about = json.loads((folder / "handwritten.json").read_text())
booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
candidates = np.load(folder / "candidates.npy")
store = redis.from_url(redis_url)
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})


class PlacementRequest(BaseModel):
    id: str
    count: int = 1


class DecisionRequest(BaseModel):
    customer_id: str
    placements: list[PlacementRequest]
    context: dict[str, str | float | bool] = {}


class Choice(BaseModel):
    placement: str
    rank: int
    action: str
    content: str | None
    slots: dict[str, str]
    propensity: float
    value: float
    score: float
    probability: float
    reasons: list[str]


class Decision(BaseModel):
    decision_id: str
    customer_id: str
    at: datetime
    expires_at: datetime
    plan_version: str
    choices: list[Choice]
    holdout: bool
    fallback: bool
    degraded: list[str]
    mode: str


@app.post("/v1/decisions", response_model=Decision)
async def decide(request: DecisionRequest) -> Decision:
    stored = await store.hgetall(f"features:{request.customer_id}")
    features = {name.decode(): float(value) for name, value in stored.items()}
    placement = request.placements[0]
    table = candidates[: about["counts"][placement.id]]
    customer = [features.get(name, np.nan) for name in about["situation"]]
    rows = np.hstack([np.tile(customer, (len(table), 1)), table])[:, about["order"]]
    propensities = booster.predict(rows, num_threads=1)
    scores = propensities * np.array(about["values"][: len(table)])
    best = int(scores.argmax())
    now = datetime.now(UTC)
    return Decision(
        decision_id=uuid.uuid4().hex,
        customer_id=request.customer_id,
        at=now,
        expires_at=now + timedelta(hours=1),
        plan_version="1",
        choices=[
            Choice(
                placement=placement.id,
                rank=1,
                action=about["actions"][best],
                content=about["actions"][best],
                slots={"title": "A title", "body": "A body", "url": "https://example.com"},
                propensity=float(propensities[best]),
                value=float(about["values"][best]),
                score=float(scores[best]),
                probability=1.0,
                reasons=["highest_score"],
            )
        ],
        holdout=False,
        fallback=False,
        degraded=[],
        mode="live",
    )


uvicorn.run(
    app,
    host="127.0.0.1",
    port=port,
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
)
