"""The API key, configured once."""

import logging
from typing import Any

from prefect.blocks.system import Secret
from pydantic import ConfigDict, Field, HttpUrl, field_validator, model_validator

from prefect_octopusx.api import CredentialsMissing, OctopusXClient
from prefect_octopusx.api.client import DEFAULT_BASE_URL
from prefect_octopusx.api.download import DOWNLOAD_TIMEOUT, MAX_VIDEO_MB
from prefect_octopusx.api.file_hosts import check_hosts
from prefect_octopusx.api.transport import check_base_url
from prefect_octopusx.blocks.parameters import without_bookkeeping
from prefect_octopusx.blocks.saved import SavedBlock

__all__ = ["LOGOS", "OctopusXCredentials"]

LOGOS = (
    "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/"
)
"""Prefect's own pictures, at the commit that its own blocks name."""


class OctopusXCredentials(SavedBlock):
    """Access to an OctopusX gateway.

    The key lives in a `Secret` block. If that is saved by itself, the credentials refer to it, and changing the
    Secret changes the key for every flow that uses them.

    Attributes:
        api_key: The API key.
        base_url: The gateway, up to but without `/v1`.
        allowed_private_hosts: Hosts outside the public internet that videos may be fetched from.
        max_video_mb: Megabytes that a video may have.
        download_timeout: Seconds to wait for a video's file host, in all.

    Example:
        Load saved credentials and use them:
        ```python
        from prefect_octopusx.blocks import OctopusXCredentials

        credentials = OctopusXCredentials.load("BLOCK_NAME")
        async with credentials.client() as client:
            usage = await client.key_usage()
        ```
    """

    _block_type_name = "OctopusX Credentials"
    _block_type_slug = "octopusx-credentials"
    _description = "The API key and the address of an OctopusX gateway."
    _documentation_url = HttpUrl("https://docs.octopusx.ai")
    _logo_url = HttpUrl(LOGOS + "secret.png")

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    api_key: Secret = Field(  # type: ignore[type-arg] # a parametrised Secret would be another block type
        default=...,
        title="API key",
        # The UI of Prefect 3.8.8 does not show it as chosen then, and saves the mask of its value in its place.
        description="The OctopusX API key, in a Secret block. When you edit these credentials later, choose it again.",
    )
    base_url: str = Field(
        default=DEFAULT_BASE_URL,
        title="Base URL",
        description="The gateway's address, up to but without /v1.",
        examples=[DEFAULT_BASE_URL, "http://127.0.0.1:8765"],
    )
    allowed_private_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts in your own network that videos may be fetched from, besides the gateway: names, addresses, "
        "networks. Links to others in it are refused.",
        examples=[["files.corp.example", "10.1.0.0/16"]],
    )
    max_video_mb: int = Field(
        default=MAX_VIDEO_MB,
        title="Largest video",
        description="Megabytes that a video may have; a larger one is not fetched.",
        gt=0,
    )
    download_timeout: int = Field(
        default=int(DOWNLOAD_TIMEOUT),
        description="Seconds to wait for a video's file host, in all; what takes longer is given up.",
        gt=0,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_parameters(cls, data: Any) -> Any:  # noqa: ANN401 - whatever comes
        return without_bookkeeping(data, cls._block_type_slug)

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        return check_base_url(value)

    @field_validator("allowed_private_hosts")
    @classmethod
    def _check_hosts(cls, value: list[str]) -> list[str]:
        return list(check_hosts(host for host in value if host.strip()))  # a form may send an empty text

    def client(self, *, logger: "logging.Logger | logging.LoggerAdapter[Any] | None" = None) -> OctopusXClient:
        """Return a new client; use it as a context manager, on one event loop.

        Args:
            logger: Where the client's warnings go.

        Raises:
            CredentialsMissing: The Secret is empty, is not a text, or is the mask that Prefect keeps in its place.
        """
        return OctopusXClient(
            self._key(),
            self.base_url,
            allowed_private_hosts=self.allowed_private_hosts,
            max_video_mb=self.max_video_mb,
            download_timeout=self.download_timeout,
            logger=logger,
        )

    def _key(self) -> str:
        key = self.api_key.value.get_secret_value()
        # A key of digits only, saved from the UI, comes back as a number.
        key = str(key).strip() if isinstance(key, str | int) else ""
        if not key:
            raise CredentialsMissing("api_key: the Secret block holds no text. Save the OctopusX API key in it")
        if not key.strip("*"):
            raise CredentialsMissing(
                "api_key: this is the mask that Prefect keeps in a run's parameters in place of a key, so that the key "
                "is not stored. To run it again, save the credentials as a block and pass that, or leave them out to "
                "use `octopusx-credentials/default`. If they are a saved block, it was edited in the UI without "
                "choosing the Secret again: edit it once more, and choose it"
            )
        return key
