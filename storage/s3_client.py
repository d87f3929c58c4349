"""How a bucket is reached: the options, and the boto3 client made from them."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from prefect_octopusx.api.redact import hide_secrets_in_logs
from prefect_octopusx.api.requests.messages import shown
from prefect_octopusx.storage.links import check_public_base_url

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.loaders import Loader
    from mypy_boto3_s3 import S3Client

__all__ = ["LONGEST_PRESIGNED", "ChecksumAlgorithm", "S3Options", "check_prefix", "open_client"]

ChecksumAlgorithm = Literal["CRC32", "SHA1", "SHA256"]
"""Those that boto3 knows without its C extension."""

MIB = 1024 * 1024
LONGEST_PRESIGNED = 168
"""Hours; S3's own limit."""
_SMALLEST_PART = 5 * MIB  # S3's own limit for every part but the last
_PACKAGES = ("boto3", "botocore", "s3transfer", "urllib3")
"""At DEBUG these log what they sign, what with, and whole answers, also of who gives out credentials."""
_LONGEST_PREFIX = 280  # bytes; of a key's 1,024 the longest name takes 700, and its mark in the index another 42


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """Where the bucket is and how videos are put into it.

    Attributes:
        bucket: The bucket's name; it must exist.
        prefix: The folder in the bucket, at most 280 bytes; slashes at its ends don't matter.
        endpoint_url: For MinIO, R2 and others; None is AWS.
        region: The bucket's region; AWS's own chain decides if None.
        storage_class: Of videos; records are read often and stay in the standard class.
        server_side_encryption: `AES256`, `aws:kms`, ...; of videos and records.
        sse_kms_key_id: The key for `aws:kms`; AWS's own if None.
        tags: Of videos.
        checksum_algorithm: What the server checks what it got with; None for servers that know none of it.
        addressing_style: None: `path` where there is an `endpoint_url`, else boto3 decides.
        conditional_writes: Whether the server honours `If-None-Match` and `If-Match` on PutObject, as the claim of a
            record needs it. If not, writes are checked before and claims afterwards, which leaves a small risk where
            two runs start at once.
        concurrency: How many parts of a video are sent at the same time.
        part_size: Bytes, at least 5 MiB. Memory: about (`concurrency` + 1) parts for a video under way.
        public_base_url: The address under which everybody can read what lies under `prefix`; links are made with it.
        presigned_link_hours: How long presigned links to videos last, 1 to 168 hours; None makes none. Whoever has one
            can fetch the video.
        poster: Whether each video is to have a poster, `NAME.jpg`.
        player: Whether each video is to have a page that plays it, `NAME.html`.
        session_factory: Makes the boto3 session, for keys from a saved block; None is AWS's own chain (environment,
            profile, role).

    Raises:
        ValueError: An option is out of range, `prefix` can't be a folder, or `public_base_url` is no plain address.
    """

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    storage_class: str | None = None
    server_side_encryption: str | None = None
    sse_kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    checksum_algorithm: ChecksumAlgorithm | None = "CRC32"
    addressing_style: Literal["path", "virtual"] | None = None
    conditional_writes: bool = True
    concurrency: int = 4
    part_size: int = 5 * MIB
    public_base_url: str | None = None
    presigned_link_hours: int | None = None
    poster: bool = True
    player: bool = False
    session_factory: "Callable[[], Session] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_prefix(self.prefix)
        if self.concurrency < 1:
            raise ValueError(f"concurrency: {self.concurrency} is less than 1.")
        if self.part_size < _SMALLEST_PART:
            raise ValueError(f"part_size: {self.part_size} is less than S3's 5 MiB ({_SMALLEST_PART} bytes).")
        if self.public_base_url is not None:
            object.__setattr__(self, "public_base_url", check_public_base_url(self.public_base_url))
        if self.presigned_link_hours is not None and not 1 <= self.presigned_link_hours <= LONGEST_PRESIGNED:
            raise ValueError(f"presigned_link_hours: {self.presigned_link_hours} is not from 1 to {LONGEST_PRESIGNED}.")
        if self.presigned_link_hours is not None and self.public_base_url is not None:
            raise ValueError("presigned_link_hours: with `public_base_url` links need no signature; give one of them.")

    def key(self, name: str, ending: str) -> str:
        """Return the object key of `name` with an ending such as `.mp4`."""
        prefix = self.prefix.strip("/")
        return f"{prefix}/{name}{ending}" if prefix else name + ending

    def encryption(self) -> dict[str, Any]:
        """Return the arguments that encrypt an object."""
        given = {"ServerSideEncryption": self.server_side_encryption, "SSEKMSKeyId": self.sse_kms_key_id}
        return {argument: value for argument, value in given.items() if value}

    def video(self) -> dict[str, Any]:
        """Return the arguments of a new video, be it put whole or begun in parts."""
        given = {"StorageClass": self.storage_class, "Tagging": urlencode(self.tags, quote_via=quote)}
        return {
            "ContentType": "video/mp4",
            **self.encryption(),
            **{argument: value for argument, value in given.items() if value},
        }

    def checksum(self, data: bytes | memoryview) -> dict[str, str]:
        """Return the argument that lets the server check `data`.

        It is computed here, not by boto3: boto3 sends its own as a trailer over https, which many servers refuse.
        """
        match self.checksum_algorithm:
            case None:
                return {}
            case "CRC32":
                digest = zlib.crc32(data).to_bytes(4)
            case algorithm:
                digest = hashlib.new(algorithm.lower(), data, usedforsecurity=False).digest()
        return {f"Checksum{self.checksum_algorithm}": base64.b64encode(digest).decode()}


def check_prefix(prefix: str) -> str:
    """Return the prefix, if it can be a folder in a bucket.

    Args:
        prefix: As it was given.

    Raises:
        ValueError: It can't: stores and tools take its parts for another folder, or keys below it get too long.
    """
    parts = prefix.strip("/").split("/")
    if not prefix.isprintable() or len(prefix.encode()) > _LONGEST_PREFIX:
        raise ValueError(f"prefix: {shown(prefix)} can't be read, or has more than {_LONGEST_PREFIX} bytes.")
    if (len(parts) > 1 and "" in parts) or not {".", ".."}.isdisjoint(parts):
        raise ValueError(
            f"prefix: {shown(prefix)} has an empty part, '.' or '..', which stores and tools take for another folder."
        )
    return prefix


def open_client(options: S3Options) -> "S3Client":
    """Make the client. Blocks (it reads files, and may ask a metadata service for credentials).

    Raises:
        botocore.exceptions.BotoCoreError: A profile, a region or the like is wrong.
        ValueError: `endpoint_url` is not a URL.
    """
    # Imported here because boto3 costs start time, also for those who store videos in a folder.
    from botocore.config import Config  # noqa: PLC0415

    hide_secrets_in_logs(*_PACKAGES)  # before credentials are asked for
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard"},
        max_pool_connections=max(10, options.concurrency + 2),
        user_agent_extra="prefect-octopusx",
        s3={"addressing_style": options.addressing_style or ("path" if options.endpoint_url else "auto")},
    )
    if options.checksum_algorithm is None:
        unasked = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        config = config.merge(unasked)
    if options.presigned_link_hours is not None:  # left alone, boto3 signs links the old way, which new regions refuse
        config = config.merge(Config(signature_version="s3v4"))
    session = options.session_factory() if options.session_factory else _new_session()

    def make(config: Config) -> "S3Client":
        return session.client("s3", region_name=options.region, endpoint_url=options.endpoint_url, config=config)

    client = make(config)
    if options.presigned_link_hours is None or options.addressing_style or "." in options.bucket or not is_aws(client):
        return client
    # What auto mostly is; but with auto, boto3 makes links that miss the bucket's region. A certificate covers no dots.
    return make(config.merge(Config(s3={"addressing_style": "virtual"})))


def _new_session() -> "Session":
    """Return a session with AWS's own chain of credentials, looked up anew.

    boto3's description of S3 is read once a process, not once a session: that is nine tenths of what a client takes to
    make, and each task of a flow makes one.
    """
    import boto3  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    core = Session()
    session = boto3.Session(botocore_session=core)
    loader = _descriptions(core.get_config_variable("data_path"))
    core.register_component("data_loader", loader)  # after boto3, which would add to its search path each time
    return session


@cache
def _descriptions(search_path: str | None) -> "Loader":
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader(search_path)


def is_aws(client: "S3Client") -> bool:
    """Tell whether a client talks to AWS: also the environment or a profile may say that S3 is elsewhere."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
