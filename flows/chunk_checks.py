"""Whether other runs, on other machines, can make the videos of a batch; told before any of them is asked for."""

from collections.abc import Sequence
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment as own

from prefect_octopusx.batches import VideoItem
from prefect_octopusx.blocks import Destination, LocalDestination, OctopusXCredentials
from prefect_octopusx.tasks.runs import is_below_a_task

__all__ = ["check_chunks", "saved_id"]

_FLOW = "generate-videos"


async def check_chunks(
    items: Sequence[VideoItem], *, deployment: str, destination: Destination, credentials: OctopusXCredentials | None
) -> None:
    """Check that runs of a deployment can make all of these.

    Args:
        items: The videos.
        deployment: As `generate-videos/NAME`.
        destination: Where to.
        credentials: The block with the key, if one is given.

    Raises:
        ValueError: They can't; the message says why, and what to do.
    """
    await _check_deployment(deployment)
    if is_below_a_task():
        raise ValueError(
            "deployment: call this flow from a flow, or by itself. Below a task that no flow is around, other runs "
            "can't tell whose max_new_videos they are to keep to"
        )
    if isinstance(destination, LocalDestination) and not destination.folder.is_absolute():
        raise ValueError(
            f"destination: the folder {destination.folder} is another one wherever a process starts. With "
            "`deployment`, give a bucket, or an absolute path that all workers share"
        )
    if credentials is not None and saved_id(credentials) is None:
        raise ValueError(
            "credentials: this block is not saved, and a key is no parameter for another run. With `deployment`, "
            "save the block and give that, or leave it out"
        )
    for item in items:
        if item.request.restorable() is None:
            raise ValueError(
                f"{item.place or item.name}: its request can't be given to another run: inline and local pictures, "
                "URLs with a query, and headers are kept in no run's parameters. Give plain URLs, or leave out "
                "`deployment`"
            )


def saved_id(block: OctopusXCredentials) -> UUID | None:
    """Return the id that a block is saved under; None if it is not saved."""
    found: UUID | None = block._block_document_id  # noqa: SLF001 - Prefect tells it nowhere else
    return found


async def _check_deployment(name: str) -> None:
    try:
        async with get_client() as client:
            found = await client.read_deployment_by_name(name)
            flow = await client.read_flow(found.flow_id)
    except ObjectNotFound:
        raise ValueError(
            f"deployment: there is no deployment {name!r}; give it as `{_FLOW}/NAME`, or make it: docs, Deploying"
        ) from None
    if flow.name != _FLOW:
        raise ValueError(f"deployment: {name!r} is of the flow {flow.name!r}; it must be of {_FLOW!r}")
    if str(found.id) == own.id:
        raise ValueError(
            f"deployment: {name!r} is this run's own; its runs could wait for each other. Make another one"
        )
    options = found.concurrency_options
    if options is not None and options.collision_strategy is ConcurrencyLimitStrategy.CANCEL_NEW:
        raise ValueError(
            f"deployment: the concurrency limit of {name!r} cancels runs that find no slot (CANCEL_NEW), and nobody "
            "would make their videos. Choose ENQUEUE"
        )
