"""The bodies that the gateway, its engine and the proxies before it write: one builder for each shape."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

__all__ = [
    "Answer",
    "RefusedError",
    "engine_error",
    "html_page",
    "relay_error",
    "storage_error",
    "task_error",
    "vendor_error",
]

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer: a JSON object, a text or nothing, with its status and headers."""

    status: int
    body: JsonObject | str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def response(self, request_id: str = "") -> Response:
        """Return it as a response; the engine ends its messages with the request's id."""
        if isinstance(self.body, str):
            media = {"<?": "application/xml", "<h": "text/html"}.get(self.body[:2], "text/plain" if self.body else None)
            return Response(self.body, self.status, dict(self.headers), media)
        body = self.body
        if request_id and isinstance(error := body.get("error"), dict) and error.get("type") == "new_api_error":
            body = {**body, "error": {**error, "message": f"{error['message']} (request id: {request_id})"}}
        # The engine writes UTF-8, its Chinese messages included.
        return Response(json.dumps(body, ensure_ascii=False), self.status, dict(self.headers), "application/json")


class RefusedError(Exception):
    """The request is refused with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def relay_error(status: int, message: str, code: str = "", kind: str = "new_api_error") -> Answer:
    """Return an error of the engine's outer part: keys, models, limits, unknown paths."""
    return Answer(status, {"error": {"message": message, "type": kind, "code": code}})


def task_error(status: int, code: str, message: str) -> Answer:
    """Return an error of the engine's task part, which submits and looks up videos."""
    return Answer(status, {"code": code, "message": message, "data": None})


def vendor_error(code: str, message: str, status: int = 400) -> Answer:
    """Return an error of the model's vendor, relayed."""
    return Answer(status, {"code": code, "message": message})


def engine_error(status: int, message: str) -> Answer:
    """Return an error as everything below `/api/` writes it."""
    return Answer(status, {"success": False, "message": message})


def html_page(status: int, title: str) -> Answer:
    """Return the page of a proxy or CDN before the gateway."""
    return Answer(status, f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>")


def storage_error(status: int, code: str, message: str) -> Answer:
    """Return an error as S3-like storage writes it."""
    return Answer(
        status,
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>',
    )
