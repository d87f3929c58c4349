"""What the tests of pictures in requests share: pictures that are a head and no more, and requests that hold some."""

import base64
import struct
from typing import Any

import pytest
from pydantic import ValidationError

from prefect_octopusx.api.requests import CustomRequest, GrokRequest, ViduRequest


def png(width: int = 640, height: int = 360, *, size: int = 0) -> bytes:
    """Return the head of a png, filled up to `size` bytes: all that is ever looked at."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + bytes(4)
    return head.ljust(size, b"\0")


def jpeg(width: int = 640, height: int = 360) -> bytes:
    return b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9) + b"\xff\xd9"


def webp(width: int = 640, height: int = 360) -> bytes:
    frame = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(10)
    return b"RIFF" + struct.pack("<I", 12 + len(frame)) + b"WEBPVP8 " + struct.pack("<I", len(frame)) + frame


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def vidu(*images: object, **more: Any) -> ViduRequest:  # noqa: ANN401 - any field
    return ViduRequest.model_validate({"model": "viduq3-pro", "prompt": "x", "images": list(images), **more})


def grok(*images: object) -> GrokRequest:
    return GrokRequest.model_validate({"model": "grok-video-3", "prompt": "x", "images": list(images)})


def custom(*images: object) -> CustomRequest:
    return CustomRequest.model_validate({"model": "kling-3", "images": list(images)})


def refusal(*images: object, **more: Any) -> str:  # noqa: ANN401 - any field
    with pytest.raises(ValidationError) as caught:
        vidu(*images, **more)
    (error,) = caught.value.errors()
    assert error["loc"][0] == "images"
    return error["msg"]
