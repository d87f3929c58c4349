"""The gateway as an ASGI app: its routes, and the order in which a request is refused, billed and answered."""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from prefect_octopusx.sandbox import replies, vendor
from prefect_octopusx.sandbox.admin import admin_routes
from prefect_octopusx.sandbox.answers import (
    Answer,
    RefusedError,
    engine_error,
    relay_error,
    task_error,
)
from prefect_octopusx.sandbox.faults import Fault
from prefect_octopusx.sandbox.files import cover_bytes, deliver, other_origin, video_bytes
from prefect_octopusx.sandbox.jobs import Job
from prefect_octopusx.sandbox.settings import SandboxSettings
from prefect_octopusx.sandbox.state import GatewayState, RequestLog, trace_of
from prefect_octopusx.sandbox.trouble import ANSWERS, OTHER_ORIGIN
from prefect_octopusx.sandbox.wire import HangUp, wait

__all__ = ["create_app"]

_BODY_LIMIT = 32 * 1024 * 1024


def create_app(settings: SandboxSettings | None = None, *, state: GatewayState | None = None) -> Starlette:
    """Return the sandbox as an ASGI app, to run it below another server.

    `Sandbox` is the usual way: it also runs the server, and only with its own server can faults cut connections.

    Args:
        settings: How it behaves.
        state: The gateway's memory, where the caller wants to look into it; its settings replace `settings`.
    """
    state = state or GatewayState(settings or SandboxSettings())
    gateway = Gateway(state)
    routes = [
        Route("/v1/video/create", gateway.create, methods=["POST"]),
        Route("/v1/video/remix", gateway.remix, methods=["POST"]),
        Route("/v1/video/query", gateway.query, methods=["GET"]),
        Route("/v1/videos/{task_id}/content", gateway.content, methods=["GET"]),
        Route("/api/usage/token/", gateway.usage, methods=["GET"]),
        Route("/api/usage/token", _to_usage, methods=["GET"]),
        Route("/files/{file}", gateway.file, methods=["GET"]),
        *admin_routes(state),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(RequestLog, state=state)],
        exception_handlers={RefusedError: _refused, HTTPException: _no_route, ClientDisconnect: _gone},
    )
    # A path with a slash too many is a wrong path, and a client should notice.
    app.router.redirect_slashes = False
    return app


class Gateway:
    """The endpoints."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state

    async def create(self, request: Request) -> Response:
        """Submit a video."""
        key = self._authorise(request)
        body, size = await _read_object(request)
        return await self._submit(request, key, vendor.check_create(body, size), body)

    async def remix(self, request: Request) -> Response:
        """Submit a new version of a video."""
        key = self._authorise(request)
        body, _ = await _read_object(request)
        family = vendor.check_remix(body)
        source = self._state.book.find(body["task_id"], key)
        if source is None:
            raise RefusedError(task_error(400, "task_not_exist", "task_not_exist"))
        if source.family != family.name:
            raise RefusedError(task_error(400, "invalid_request", "the source video is of another model"))
        return await self._submit(request, key, family, body)

    async def _submit(self, request: Request, key: str, family: vendor.Family, body: dict[str, Any]) -> Response:
        state, text = self._state, json.dumps(body, ensure_ascii=False, sort_keys=True)
        left = state.units_left(key)
        if left is not None and left < state.settings.price:
            raise RefusedError(task_error(403, "pre_consume_token_quota_failed", "token quota is not enough"))
        fault = state.faults.draw("create", text)
        kind = fault.kind if fault else ""
        job = None
        if _is_billed(fault):
            fate = fault if kind == "create_failed_inline" else state.faults.draw("video", text)
            job = state.book.submit(key, family.name, body, text, fate)
            trace_of(request).task_id = job.id
        if fault and fault.delay:
            await wait(request, state.lines, fault.delay)
        if kind in ANSWERS:
            raise RefusedError(_aimed(request, ANSWERS[kind].answer))
        if job is None or kind in ("create_lost_reply", "create_reset"):
            return HangUp(state.lines, reset=kind == "create_reset")
        return Answer(200, replies.CREATE_SHAPES.get(kind, replies.create_reply)(job)).response()

    async def query(self, request: Request) -> Response:
        """Say how a video is getting on."""
        key, state = self._authorise(request), self._state
        task_id = request.query_params.get("id", "")
        trace_of(request).task_id = task_id
        if not task_id:
            raise RefusedError(task_error(400, "invalid_request", "id is required"))
        job = state.book.find(task_id, key)
        fault = state.faults.draw("query", job.text if job else task_id)
        kind = fault.kind if fault else ""
        if fault and fault.delay:
            await wait(request, state.lines, fault.delay)
        if kind in ANSWERS:
            raise RefusedError(_aimed(request, ANSWERS[kind].answer))
        if kind in ("query_reset", "query_closed"):
            return HangUp(state.lines, reset=kind == "query_reset")
        if job is None:
            raise RefusedError(task_error(400, "task_not_exist", "task_not_exist"))
        shapes = replies.QUERY_SHAPES
        reply = shapes.get(kind) or shapes.get(job.fate_kind) or replies.query_reply
        return Answer(200, reply(self._view(request, job))).response()

    def _view(self, request: Request, job: Job) -> replies.View:
        state, row = self._state, self._state.book.row(job)
        if row.state != "completed":
            return replies.View(job, row, None, None)
        origin, now = state.files_origin(request), state.settings.clock()
        cover_url = state.storage.url(origin, f"{job.file_name}.jpg", since=job.ready_at, now=now)
        url: str | None = state.storage.url(origin, f"{job.file_name}.mp4", since=job.ready_at, now=now)
        if job.fate_kind == "video_url_gateway":
            url = f"{request.base_url}v1/videos/{job.id}/content"
        if job.fate_kind == "video_url_missing" or state.faults.draw("late", job.text):
            url = None
        return replies.View(job, row, url, cover_url)

    async def content(self, request: Request) -> Response:
        """Return a finished video's bytes through the gateway."""
        key, state = self._authorise(request), self._state
        task_id = request.path_params["task_id"]
        trace_of(request).task_id = task_id
        job = state.book.find(task_id, key)
        if job is None:
            raise RefusedError(_proxy_error(404, "Task not found"))
        if state.book.row(job).state != "completed":
            raise RefusedError(_proxy_error(400, "Task is not completed yet"))
        return await self._send_video(request, job)

    async def file(self, request: Request) -> Response:
        """Return a file of the storage, which knows signatures and no keys."""
        state = self._state
        if refusal := state.storage.refusal(request, state.settings.clock()):
            return refusal
        name, _, ending = request.path_params["file"].rpartition(".")
        job = state.book.find_file(name)
        if job is None:
            return ANSWERS["file_404"].answer.response()
        trace_of(request).task_id = job.id
        if ending == "jpg":
            return deliver(request, state.lines, cover_bytes(job), None, "image/jpeg")
        return await self._send_video(request, job)

    async def _send_video(self, request: Request, job: Job) -> Response:
        fault = self._state.faults.draw("file", job.text)
        if fault and fault.delay:
            await wait(request, self._state.lines, fault.delay)
        return deliver(request, self._state.lines, video_bytes(job), fault)

    async def usage(self, request: Request) -> Response:
        """Say what a key has spent."""
        state, header = self._state, request.headers.get("authorization")
        if header is None:
            raise RefusedError(engine_error(401, "No Authorization header"))
        if not header.lower().startswith("bearer "):
            raise RefusedError(engine_error(401, "Invalid Bearer token"))
        key = state.find_key(header)
        if key is None:
            raise RefusedError(engine_error(401, "Invalid token"))
        fault = state.faults.draw("usage", key)
        if fault:
            await wait(request, state.lines, fault.delay)
            raise RefusedError(ANSWERS[fault.kind].answer)
        used, left = state.book.used(key), state.units_left(key)
        data = {
            "object": "token_usage",
            "name": "sandbox",
            "total_granted": 0 if left is None else left + used,
            "total_used": used,
            "total_available": -used if left is None else left,
            "unlimited_quota": left is None,
            "model_limits": {},
            "model_limits_enabled": False,
            "expires_at": 0,
        }
        return Answer(200, {"code": True, "message": "ok", "data": data}).response()

    def _authorise(self, request: Request) -> str:
        key = self._state.find_key(request.headers.get("authorization", ""))
        if key is None:
            raise RefusedError(relay_error(401, "Invalid token"))
        return key


def _is_billed(fault: Fault | None) -> bool:
    if fault is None:
        return True
    trouble = ANSWERS.get(fault.kind)
    by_itself = trouble.billed if trouble else fault.kind != "create_closed"
    # Whatever answers with an id has a job; only the others can go either way.
    may_differ = trouble is not None or fault.kind in ("create_closed", "create_lost_reply", "create_reset")
    return fault.billed if may_differ and fault.billed is not None else by_itself


def _aimed(request: Request, answer: Answer) -> Answer:
    """Return the answer with the other origin's address in its Location header."""
    headers = tuple((name, value.replace(OTHER_ORIGIN, other_origin(request))) for name, value in answer.headers)
    return Answer(answer.status, answer.body, headers)


async def _read_object(request: Request) -> tuple[dict[str, Any], int]:
    """Return the request's JSON object and its length in bytes."""
    raw = await request.body()
    if len(raw) > _BODY_LIMIT:
        raise RefusedError(task_error(413, "read_request_body_failed", "request body too large"))
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusedError(relay_error(400, "Content-Type must be application/json"))
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(relay_error(400, "invalid JSON body")) from None
    if not isinstance(body, dict):
        raise RefusedError(relay_error(400, "the body must be a JSON object"))
    return body, len(raw)


def _proxy_error(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"message": message, "type": "invalid_request_error"}})


async def _to_usage(request: Request) -> Response:  # noqa: ARG001 - an endpoint
    return RedirectResponse("/api/usage/token/", 301)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    return error.answer.response(trace_of(request).request_id)


async def _no_route(request: Request, _: Exception) -> Response:
    # The engine knows no 405 either.
    message = f"Invalid URL ({request.method} {request.url.path})"
    body = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
    return Answer(404, {"error": body}).response()


async def _gone(request: Request, _: Exception) -> Response:  # noqa: ARG001 - an exception handler
    """Return what nobody reads: the client went away while it was sending."""
    return Response(status_code=499)
