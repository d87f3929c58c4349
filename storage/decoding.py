"""A look into a video file: what it tells of itself, and a frame of it as a JPEG. By PyAV, where that is installed.

The file came over the network, so nothing in it is trusted: bytes read, frames decoded, pixels and time have limits.
"""

import time
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from prefect_octopusx.api.errors import OctopusXError
from prefect_octopusx.storage.sample_tables import TablesTooLarge, check_tables

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["NotDecodable", "VideoFacts", "VideoLook", "has_decoder", "look_into"]

_AT = 1.0  # seconds from the start, where most videos have faded in; the middle of shorter ones
_SEARCHED = 3.0  # seconds of video after that in which a frame with something on it is looked for
_WIDEST = 640  # pixels of the poster
_MOST_PIXELS = 7680 * 4320
_MOST_FRAMES = 600
_MOST_BYTES = 64 * 2**20
_LONGEST = 30.0  # seconds of work
_DARK = 24.0  # mean brightness of 0 to 255; black is 0 or 16
_FLAT = 4.0  # mean distance from that
_TRIED_EVERY = 6  # frames; between two of them little changes


class NotDecodable(Exception):
    """The file has no video that can be decoded within the limits; the message says why."""


class VideoFacts(NamedTuple):
    """What a video file tells of itself.

    Attributes:
        width: Pixels.
        height: Pixels.
        seconds: How long it is, if it tells.
        fps: Frames a second, on average, if it tells.
        has_audio: Whether it has sound.
    """

    width: int
    height: int
    seconds: float | None
    fps: float | None
    has_audio: bool


class VideoLook(NamedTuple):
    """What a look into a video file found."""

    facts: VideoFacts
    jpeg: bytes | None
    """A frame, at most 640 pixels wide; None if none was wanted."""


def has_decoder() -> bool:
    """Tell whether PyAV is installed."""
    return find_spec("av") is not None


def look_into(file: BinaryIO, *, frame: bool) -> VideoLook:
    """Return what a video file tells of itself, and a frame of it if wanted.

    Takes the first frame from about a second in on which there is something to see. Blocks, at most about 30 seconds.

    Raises:
        NotDecodable: It can't be decoded within the limits.
        OctopusXError: `file` could not be read.
    """
    try:
        import av  # noqa: F401, PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise NotDecodable(f"PyAV can't be loaded ({error})") from None
    try:
        return _look(_Limited(file), frame=frame)
    except TablesTooLarge as error:
        raise NotDecodable(str(error)) from None
    except (NotDecodable, OctopusXError):
        raise
    except Exception as error:  # noqa: BLE001 - on odd files the library raises what its code happens to raise
        raise NotDecodable(f"it can't be decoded ({str(error) or type(error).__name__})") from None


def _look(file: "_Limited", *, frame: bool) -> VideoLook:
    import av  # noqa: PLC0415 - as above

    check_tables(cast("BinaryIO", file))
    # Named, so that nothing in the file chooses a reader that would fetch from elsewhere.
    with av.open(file, mode="r", format="mp4", metadata_errors="replace") as container:
        # One of a codec that FFmpeg does not know has no context, whatever its type says.
        stream = next((found for found in container.streams.video if getattr(found, "codec_context", None)), None)
        if stream is None:
            raise NotDecodable("there is no video in it")
        facts = _facts(container, stream)
        return VideoLook(facts, _jpeg(_good_frame(container, stream, facts, file)) if frame else None)


class _Limited:
    """A file for the decoder, with limits to what it may read and how long it may take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_BYTES
        self._until = time.monotonic() + _LONGEST
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        self.check_time()
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise NotDecodable(f"more than {_MOST_BYTES} bytes of it would have to be read")
        return data

    def check_time(self) -> None:
        if time.monotonic() > self._until:
            raise NotDecodable(f"decoding takes longer than {_LONGEST:.0f} s")


def _facts(container: "InputContainer", stream: "VideoStream") -> VideoFacts:
    width, height = stream.codec_context.width, stream.codec_context.height
    if not 0 < width * height <= _MOST_PIXELS:
        raise NotDecodable(f"frames of {width} by {height} pixels are not decoded")
    seconds = container.duration / 1_000_000 if container.duration else None  # av.time_base
    rate = stream.average_rate
    return VideoFacts(width, height, seconds, float(rate) if rate else None, bool(container.streams.audio))


def _good_frame(
    container: "InputContainer", stream: "VideoStream", facts: VideoFacts, limited: _Limited
) -> "av.VideoFrame":
    """Return the first frame at about the right time that is neither black nor of one colour; else the liveliest."""
    at = min(_AT, facts.seconds / 2) if facts.seconds else _AT
    stream.codec_context.thread_count = 1  # posters are made beside other work
    stream.codec_context.skip_frame = "NONREF"  # frames that no other is built on; it saves a third
    stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
    container.seek(int(at * 1_000_000), backward=True)
    best: tuple[float, av.VideoFrame] | None = None
    last: av.VideoFrame | None = None
    for number, frame in enumerate(container.decode(stream)):
        limited.check_time()
        last = frame
        seconds = frame.time or number / (facts.fps or 25)
        if seconds > at + _SEARCHED or number > _MOST_FRAMES:
            break
        if seconds < at or (best and number % _TRIED_EVERY):
            continue
        brightness, liveliness = _looks(frame)
        if brightness >= _DARK and liveliness >= _FLAT:
            return frame
        if best is None or liveliness > best[0]:
            best = liveliness, frame
    found = best[1] if best else last
    if found is None:
        raise NotDecodable("there is no frame in it")
    return found


def _looks(frame: "av.VideoFrame") -> tuple[float, float]:
    """Return how bright a frame is on average, and how far its parts are from that."""
    plane = frame.reformat(width=32, height=32, format="gray").planes[0]
    pixels = bytes(plane)
    mean = sum(pixels) / len(pixels)
    return mean, sum(abs(pixel - mean) for pixel in pixels) / len(pixels)


def _jpeg(frame: "av.VideoFrame") -> bytes:
    import av  # noqa: PLC0415 - as above

    width = max(2, min(_WIDEST, frame.width) // 2 * 2)
    height = max(2, round(frame.height * width / frame.width / 2) * 2)
    picture = frame.reformat(width=width, height=height, format="yuvj420p")
    picture.pts = 0
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, picture.format.name
    encoder.time_base = Fraction(1)
    encoder.qmin = encoder.qmax = 4  # of 2, the best, to 31
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
