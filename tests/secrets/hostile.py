"""A server that repeats whatever it is told: as a gateway, as a proxy before it, and as a store."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["echoing"]


class _Handler(BaseHTTPRequestHandler):
    """Refuses everything, with the request's headers and body in the answer's headers, message and body."""

    def _refuse(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = ", ".join(f"{name}: {value}" for name, value in self.headers.items())
        status, kind, answer = (
            400,
            "application/json",
            json.dumps(
                {
                    "code": f"bad {self.headers.get('Authorization')}",
                    "message": f"bad request {self.path} with {given}: {body.decode('latin-1')}",
                }
            ).encode(),
        )
        if self.path.startswith("/proxy/"):
            status, kind, answer = 502, "text/html", f"<html>502: {given} {body.decode('latin-1')}</html>".encode()
        if self.path.startswith("/bucket"):
            token = self.headers.get("X-Amz-Security-Token", "")
            text = (
                f"<Error><Code>InvalidToken</Code><Message>{'no ' * 80}{token}, {given}</Message><Token-0>{token}"
                f"</Token-0><CanonicalRequest>x-amz-security-token:{token}</CanonicalRequest></Error>"
            )
            status, kind, answer = 400, "application/xml", text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-You-Sent", given)
        self.send_header("X-Oneapi-Request-Id", str(self.headers.get("Authorization")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815 - the names http.server asks for

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def echoing() -> Iterator[str]:
    """Run it, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
