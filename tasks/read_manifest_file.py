"""Reading a manifest from where it lies."""

from prefect import task

from prefect_octopusx.blocks import Destination, resolve_destination
from prefect_octopusx.storage import S3Store, read_location
from prefect_octopusx.tasks.retries import FREE_STEP
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["read_manifest_file"]


@submittable
@task(name="read-manifest", task_run_name="read {location}", **FREE_STEP)
async def read_manifest_file(location: str, *, destination: Destination | None = None) -> bytes:
    """Return a file's bytes, at most 32 MiB.

    Args:
        location: A path, or `s3://bucket/key`, which is read as the destination is reached (endpoint, credentials), if
            that is a bucket; else by AWS's own chain.
        destination: Where the videos go; `s3-destination/default` by default, else the folder `videos`.

    Raises:
        DestinationError: There is no such file, it can't be read, or is too large.
    """
    like = None
    if location.startswith("s3://"):
        store = await (await resolve_destination(destination)).store()
        like = store.options if isinstance(store, S3Store) else None
    return await read_location(location, like=like)
