"""What is used where a flow was not told: credentials and destinations by convention."""

import os
from typing import TypeVar

from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from pydantic import SecretStr, ValidationError

from prefect_octopusx.api import CredentialsMissing
from prefect_octopusx.api.client import DEFAULT_BASE_URL
from prefect_octopusx.blocks.credentials import OctopusXCredentials
from prefect_octopusx.blocks.destinations import LocalDestination, S3Destination

__all__ = ["Destination", "resolve_credentials", "resolve_destination"]

Destination = S3Destination | LocalDestination
"""Where videos go: a bucket or a folder."""

_Block = TypeVar("_Block", bound=Block)

_HOW = """No OctopusX API key was found. Give one in any of these ways:
  1. save a block:  OctopusXCredentials(api_key=Secret(value="...")).save("default")
  2. save a Secret: Secret(value="...").save("octopusx-api-key")     (in a notebook: await ... .asave(...))
  3. set the environment variable OCTOPUSX_API_KEY where the flow runs"""


async def resolve_credentials(credentials: OctopusXCredentials | None = None) -> OctopusXCredentials:
    """Return the given credentials, or find some.

    Looked for, in this order: the saved block `octopusx-credentials/default`, the saved Secret `octopusx-api-key`, the
    environment variable `OCTOPUSX_API_KEY`. With the last two, `OCTOPUSX_BASE_URL` may name another gateway.

    Args:
        credentials: Those to use, if there are any.

    Raises:
        CredentialsMissing: There are none; the message shows the three ways.
    """
    if credentials is not None:
        return credentials
    saved = await _saved(OctopusXCredentials, "default")
    if saved is not None:
        return saved
    base_url = os.environ.get("OCTOPUSX_BASE_URL") or DEFAULT_BASE_URL
    secret = await _saved(Secret, "octopusx-api-key")
    key = os.environ.get("OCTOPUSX_API_KEY", "").strip()
    if secret is None and not key:
        raise CredentialsMissing(_HOW)
    return OctopusXCredentials(api_key=secret or Secret(value=SecretStr(key)), base_url=base_url)


async def resolve_destination(destination: Destination | None = None) -> Destination:
    """Return the given destination, or the saved block `s3-destination/default`, or the folder `videos/`.

    Args:
        destination: The one to use, if there is one.
    """
    if destination is not None:
        return destination
    return await _saved(S3Destination, "default") or LocalDestination()


async def _saved(kind: type[_Block], name: str) -> _Block | None:
    """Load a saved block; None where there is none. One that is there but broken is an error."""
    try:
        return await kind.aload(name)
    except ValidationError:
        raise
    except ValueError:  # Prefect's way to say that there is no such block
        return None
