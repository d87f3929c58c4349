"""The sandbox's own endpoints below `/sandbox/`, which the real gateway has not. They ask for no key."""

import math
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prefect_octopusx.sandbox.faults import KINDS, Fault
from prefect_octopusx.sandbox.jobs import Job
from prefect_octopusx.sandbox.state import GatewayState

__all__ = ["admin_routes"]


def admin_routes(state: GatewayState) -> list[Route]:
    """Return the routes that show and change a sandbox."""
    admin = _Admin(state)
    return [
        Route("/sandbox/health", admin.health, methods=["GET"]),
        Route("/sandbox/ledger", admin.ledger, methods=["GET"]),
        Route("/sandbox/jobs", admin.jobs, methods=["GET"]),
        Route("/sandbox/requests", admin.requests, methods=["GET"]),
        Route("/sandbox/faults", admin.faults, methods=["GET"]),
        Route("/sandbox/faults", admin.add_fault, methods=["POST"]),
        Route("/sandbox/faults", admin.clear_faults, methods=["DELETE"]),
        Route("/sandbox/reset", admin.reset, methods=["POST"]),
    ]


class _Admin:
    def __init__(self, state: GatewayState) -> None:
        self._state = state

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ledger(self, _: Request) -> Response:
        return JSONResponse([asdict(charge) for charge in self._state.book.charges()])

    async def jobs(self, _: Request) -> Response:
        return JSONResponse([self._job(job) for job in self._state.book.jobs()])

    def _job(self, job: Job) -> dict[str, Any]:
        row = self._state.book.row(job)
        return {
            "id": job.id,
            "alt_id": job.alt_id,
            "key": job.key,
            "family": job.family,
            "model": job.model,
            "prompt": job.prompt,
            "state": row.state,
            "progress": row.progress,
            "created_at": job.created_at,
            "ready_at": job.ready_at if math.isfinite(job.ready_at) else None,
            "fault": job.fate_kind or None,
        }

    async def requests(self, _: Request) -> Response:
        return JSONResponse([asdict(trace) for trace in list(self._state.requests)])

    async def faults(self, _: Request) -> Response:
        waiting = [asdict(fault) for fault in self._state.faults.waiting()]
        return JSONResponse({"waiting": waiting, "kinds": dict(KINDS)})

    async def add_fault(self, request: Request) -> Response:
        try:
            fault = Fault.from_json(await request.json())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        self._state.faults.add(fault)
        return JSONResponse(asdict(fault), 201)

    async def clear_faults(self, _: Request) -> Response:
        self._state.faults.clear()
        return Response(status_code=204)

    async def reset(self, _: Request) -> Response:
        self._state.reset()
        return Response(status_code=204)
