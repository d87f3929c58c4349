"""What the flows for many videos read first: the manifest, and the time for which they run."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from prefect_octopusx.batches import Manifest, read_manifest, results_file, zone_named
from prefect_octopusx.blocks import Destination
from prefect_octopusx.flows.patience import comes_back_later
from prefect_octopusx.storage import check_name
from prefect_octopusx.tasks import read_manifest_file
from prefect_octopusx.tasks.runs import run_times

__all__ = ["Location", "Timezone", "batch_name", "load_manifest", "scheduled_in"]


def _is_zone(name: str) -> str:
    zone_named(name)
    return name


Location = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]
"""A path or an `s3://` URI, as text."""
Timezone = Annotated[str, AfterValidator(_is_zone)]
"""The IANA name of a time zone."""


def batch_name(name: str) -> str:
    """Return a batch's name, if it can be one.

    Raises:
        ValueError: It can't; the message says what is allowed.
    """
    try:
        check_name(results_file(name))  # which is longer
        return check_name(name)
    except ValueError as error:
        raise ValueError(
            f"{error} This is the batch's name, by which its results are stored. Give one by `name`, or rename the "
            "manifest"
        ) from None


async def load_manifest(
    location: str, *, defaults: Mapping[str, Any] | None, destination: Destination | None
) -> Manifest:
    """Read a manifest from where it is; `s3://` in the way the destination is reached, if that is a bucket.

    Raises:
        ManifestError: It has faults.
        DestinationError: It can't be read.
    """
    async with comes_back_later(location):
        data = await read_manifest_file(location, destination=destination)
    return read_manifest(data, where=location, defaults=defaults)


async def scheduled_in(timezone: str, scheduled: datetime | None) -> datetime:
    """Return the time for which this run was scheduled, or the given one (without an offset: of that zone), there."""
    zone = zone_named(timezone)
    if scheduled is None:
        scheduled = (await run_times()).scheduled
    return scheduled.replace(tzinfo=zone) if scheduled.tzinfo is None else scheduled.astimezone(zone)
