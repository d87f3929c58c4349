"""Small videos for tests, encoded here."""

from fractions import Fraction
from io import BytesIO

import av

__all__ = ["film"]


def film(*colours: tuple[int, int], width: int = 64, height: int = 48, fps: int = 10) -> bytes:
    """Return an mp4 of grey frames: for each pair, so many frames of one brightness; above 0, half of it is darker."""
    file = BytesIO()
    with av.open(file, mode="w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for frames, brightness in colours:
            for _ in range(frames):
                frame = av.VideoFrame(width, height, "yuv420p")
                for number, plane in enumerate(frame.planes):
                    half = plane.buffer_size // 2
                    bright = bytes([brightness]) * half + bytes([brightness // 2]) * (plane.buffer_size - half)
                    plane.update(bytes([128]) * plane.buffer_size if number else bright)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
