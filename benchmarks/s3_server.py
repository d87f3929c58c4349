"""An S3 server that keeps connections, as real ones do; moto's own closes each after one answer."""

import sys

from moto.server import main
from werkzeug.serving import WSGIRequestHandler

if __name__ == "__main__":
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    main(sys.argv[1:])
