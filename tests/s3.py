"""An S3 server on 127.0.0.1: moto, with requests that are whole, one after the other."""

import io
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["S3Server"]


class S3Server:
    """A server of buckets; what they hold lasts as long as this process, also while the server is stopped.

    Args:
        port: Where it listens; any free port if it is 0.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        app = _one_at_a_time(DomainDispatcherApplication(create_backend_app))
        self._server = make_server("127.0.0.1", self._port, app, threaded=True, request_handler=MotoRequestHandler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop it: from now on connections are refused."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _one_at_a_time(app: "WSGIApplication") -> "WSGIApplication":
    """Make each request whole, as a real store does.

    moto looks whether an object is there, and then writes it; and closes what is overwritten while others read it.
    """
    lock = threading.Lock()

    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"]
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        data = body.read() if environ.get("wsgi.input_terminated") else body.read(declared)
        if len(data) < declared:
            start_response("400 Bad Request", [])
            return [b"<Error><Code>IncompleteBody</Code><Message>The client went away.</Message></Error>"]
        environ["wsgi.input"] = io.BytesIO(data)
        with lock:
            return list(app(environ, start_response))

    return serve
