"""Where videos go, configured once."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, field_validator, model_validator

from prefect_octopusx.api.schemas import SchemaOnce
from prefect_octopusx.blocks.credentials import LOGOS
from prefect_octopusx.blocks.forms import can_be_empty
from prefect_octopusx.blocks.parameters import without_bookkeeping
from prefect_octopusx.blocks.saved import SavedBlock
from prefect_octopusx.storage import (
    DestinationError,
    LocalStore,
    S3Options,
    S3Store,
    VideoStore,
    check_public_base_url,
)
from prefect_octopusx.storage.s3_client import check_prefix

if TYPE_CHECKING:
    from boto3.session import Session

__all__ = ["LocalDestination", "S3Destination"]

_DOCUMENTATION = HttpUrl("https://docs.octopusx.ai")

_POSTER: bool = Field(
    default=True,
    description="Whether to put a poster beside each video, a picture NAME.jpg; where PyAV is installed.",
)
_PLAYER: bool = Field(default=False, description="Whether to put a page beside each video that plays it, NAME.html.")


_TEXTS = ("endpoint_url", "region", "aws_credentials", "storage_class", "sse_kms_key_id", "public_base_url")


def _public_base_url(what: str) -> Any:  # noqa: ANN401 - pydantic types its fields so
    return Field(
        default=None,
        title="Public base URL",
        description=f"The address under which everybody can read {what}, for links and posters in the Prefect UI.",
        examples=["https://cdn.example.com/videos"],
        json_schema_extra=can_be_empty,
    )


def _checked(value: str | None) -> str | None:
    return check_public_base_url(value) if value and value.strip() else None  # a form may send an empty text


class S3Destination(SchemaOnce, SavedBlock):
    """A place in an S3 bucket: AWS, or any store that speaks S3 and honours conditional writes (MinIO, R2, Ceph).

    Credentials come from AWS's own chain (a role, the environment, a profile) unless a saved block is named.

    Attributes:
        bucket: The bucket; it must exist.
        prefix: The folder in the bucket.
        endpoint_url: The address of an S3-compatible store; empty for AWS.
        region: The bucket's region.
        aws_credentials: The name of a saved `aws-credentials` block (of prefect-aws).
        addressing_style: How the bucket is addressed.
        storage_class: The videos' storage class.
        server_side_encryption: How S3 encrypts.
        sse_kms_key_id: The key for `aws:kms`.
        tags: Tags on each video.
        checksum_algorithm: The checksum that S3 verifies on arrival and keeps.
        conditional_writes: Whether the store honours `If-None-Match` and `If-Match`.
        concurrency: Parts of one video on their way at once.
        public_base_url: The address under which everybody can read what lies under `prefix`.
        presigned_link_hours: How long the presigned links last that run pages are to have; none by default.
        poster: Whether to put a poster beside each video.
        player: Whether to put a page beside each video that plays it.

    Example:
        Load a saved destination and run a flow with it:
        ```python
        from prefect_octopusx.blocks import S3Destination

        destination = S3Destination.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "S3 Destination"
    _block_type_slug = "s3-destination"
    _description = "A place in an S3 bucket for videos and their records."
    _documentation_url = _DOCUMENTATION
    _logo_url = HttpUrl(LOGOS + "filesystem.png")

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    bucket: str = Field(default=..., description="The bucket's name; it must exist.", min_length=3, examples=["videos"])
    prefix: str = Field(default="", description="The folder in the bucket, without slashes at its ends.")
    endpoint_url: str | None = Field(
        default=None,
        title="Endpoint URL",
        description="The address of an S3-compatible store; empty for AWS.",
        examples=["http://127.0.0.1:9000"],
        json_schema_extra=can_be_empty,
    )
    region: str | None = Field(
        default=None,
        description="The bucket's region; AWS's own chain decides if empty.",
        json_schema_extra=can_be_empty,
    )
    aws_credentials: str | None = Field(
        default=None,
        title="AWS credentials",
        description="The name of a saved aws-credentials block of prefect-aws; AWS's own chain if empty.",
        json_schema_extra=can_be_empty,
    )
    addressing_style: Literal["path", "virtual"] | None = Field(
        default=None,
        description="How the bucket is addressed; by default path with an endpoint URL, else as AWS does.",
        json_schema_extra=can_be_empty,
    )
    storage_class: str | None = Field(
        default=None,
        description="The videos' storage class; the bucket's own, STANDARD, if empty.",
        examples=["STANDARD_IA", "INTELLIGENT_TIERING"],
        json_schema_extra=can_be_empty,
    )
    server_side_encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None,
        description="How S3 encrypts what is stored; the bucket's own setting if empty.",
        json_schema_extra=can_be_empty,
    )
    sse_kms_key_id: str | None = Field(
        default=None,
        title="KMS key",
        description="The key for aws:kms; AWS's own key if empty.",
        json_schema_extra=can_be_empty,
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Tags on each video.")
    checksum_algorithm: Literal["CRC32", "SHA1", "SHA256"] | None = Field(
        default="CRC32", description="The checksum that S3 verifies and keeps; none for stores that refuse it."
    )
    conditional_writes: bool = Field(
        default=True,
        description="Whether the store honours conditional writes; turn it off only where it can't, see the docs.",
    )
    concurrency: int = Field(default=4, ge=1, le=16, description="Parts of 5 MiB of one video on their way at once.")
    public_base_url: str | None = _public_base_url("what lies under the prefix, such as a CDN's")
    presigned_link_hours: int | None = Field(
        default=None,
        ge=1,
        le=168,
        title="Presigned links, hours",
        description="Gives run pages presigned links that last so many hours, at most 168; who sees the page can fetch "
        "the video without any credentials. Empty for none.",
        json_schema_extra=can_be_empty,
    )
    poster: bool = _POSTER
    player: bool = _PLAYER

    @model_validator(mode="before")
    @classmethod
    def _read_parameters(cls, data: Any) -> Any:  # noqa: ANN401 - whatever comes
        return without_bookkeeping(data, cls._block_type_slug)

    _check_prefix = field_validator("prefix")(check_prefix)

    @field_validator("public_base_url")
    @classmethod
    def _check_public_base_url(cls, value: str | None) -> str | None:
        return _checked(value)

    @field_validator(*_TEXTS, mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value  # a form may send an empty text

    @model_validator(mode="after")
    def _check_links(self) -> Self:
        if self.public_base_url and self.presigned_link_hours:
            raise ValueError("presigned_link_hours: with `public_base_url` links need no signature; give one of them.")
        return self

    async def store(self) -> VideoStore:
        """Return the store.

        Raises:
            DestinationError: The named credentials block can't be loaded.
        """
        options = self.model_dump(include=set(_STORE_OPTIONS))
        return S3Store(S3Options(**options, session_factory=await self._session_factory()))

    async def _session_factory(self) -> "Callable[[], Session] | None":
        if not self.aws_credentials:
            return None
        try:
            block: Any = await Block.aload(f"aws-credentials/{self.aws_credentials}")
        except (ValueError, RuntimeError) as error:
            raise DestinationError(
                f"aws_credentials: the block aws-credentials/{self.aws_credentials} can't be loaded ({error}). "
                "Install prefect-aws and save it, or leave the field empty to use AWS's own credential chain"
            ) from error
        make_session: Callable[[], Session] = block.get_boto3_session
        return make_session


_STORE_OPTIONS = (
    "bucket", "prefix", "endpoint_url", "region", "addressing_style", "storage_class", "server_side_encryption",
    "sse_kms_key_id", "tags", "checksum_algorithm", "conditional_writes",
    "concurrency", "public_base_url", "presigned_link_hours", "poster", "player",
)  # fmt: skip


class LocalDestination(SchemaOnce, SavedBlock):
    """A folder on this machine, with the same promises as a bucket. For Linux and macOS.

    Attributes:
        folder: The folder; it is made when the first video comes.
        public_base_url: The address under which everybody can read what lies in the folder.
        poster: Whether to put a poster beside each video.
        player: Whether to put a page beside each video that plays it.

    Example:
        Load a saved destination:
        ```python
        from prefect_octopusx.blocks import LocalDestination

        destination = LocalDestination.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Local Destination"
    _block_type_slug = "local-destination"
    _description = "A folder on the worker's machine for videos and their records."
    _documentation_url = _DOCUMENTATION
    _logo_url = HttpUrl(LOGOS + "filesystem.png")

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    folder: Path = Field(
        default=Path("videos"), description="The folder, made at need; relative to where the flow runs."
    )
    public_base_url: str | None = _public_base_url("what lies in the folder, such as a web server's")
    poster: bool = _POSTER
    player: bool = _PLAYER

    @model_validator(mode="before")
    @classmethod
    def _read_parameters(cls, data: Any) -> Any:  # noqa: ANN401 - whatever comes
        return without_bookkeeping(data, cls._block_type_slug)

    @field_validator("public_base_url")
    @classmethod
    def _check_public_base_url(cls, value: str | None) -> str | None:
        return _checked(value)

    async def store(self) -> VideoStore:
        """Return the store."""
        return LocalStore(self.folder, public_base_url=self.public_base_url, poster=self.poster, player=self.player)
