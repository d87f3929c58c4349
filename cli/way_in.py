"""With which key, and where to: what was typed, what is saved, or the sandbox. Importing this imports Prefect."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.api import CredentialsMissing, OctopusXError
from prefect_octopusx.blocks import Destination, LocalDestination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.cli.exits import Refused
from prefect_octopusx.cli.options import Access
from prefect_octopusx.cli.places import SAMPLES, Place
from prefect_octopusx.cli.screen import Screen
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import LocalStore, pending_videos

__all__ = ["WayIn", "sandbox_way_in", "way_in"]

_EVERY = 1.0  # seconds between looks: a video of the sandbox takes 8


class WayIn(NamedTuple):
    """What a flow is given."""

    destination: Destination
    credentials: OctopusXCredentials | None
    where: tuple[str, ...] = ()
    """The options by which another command comes to the same place."""
    access: tuple[str, ...] = ()
    """And with the same key."""
    poll_interval: float | None = None
    is_sandbox: bool = False


def way_in(place: Place, access: Access) -> WayIn:
    """Return what was typed, or is saved.

    Raises:
        CredentialsMissing: There is no key.
        Refused: There is no such saved block.
    """
    return asyncio.run(_way_in(place, access))


async def _way_in(place: Place, access: Access) -> WayIn:
    destination = await place.destination()
    if access.credentials is None:
        await resolve_credentials()  # the flow finds it itself, so that the run's parameters don't name it
        return WayIn(destination, None, place.arguments)
    try:
        found = await OctopusXCredentials.aload(access.credentials)
    except ValueError as error:  # Prefect's way to say that there is none
        raise Refused(f"--credentials: {error}") from None
    return WayIn(destination, found, place.arguments, ("--credentials", access.credentials))


@contextmanager
def sandbox_way_in(screen: Screen, place: Place, access: Access, *, wanted: bool) -> Iterator[WayIn]:
    """Give the same; where the sandbox is wanted, or there is no key and a person says yes to it, a sandbox's.

    What it leaves unfinished is removed in the end, for no other sandbox knows its tasks.

    Raises:
        CredentialsMissing: There is no key, and no sandbox is to take its place.
        Refused: There is no such saved block.
    """
    found = None if wanted else _found_or_declined(screen, place, access)
    if found is not None:
        yield found
        return
    screen.note(f"Sandbox: nothing is billed, and the clips are samples. They go to the folder {SAMPLES}.")
    with Sandbox() as sandbox:
        key = OctopusXCredentials(api_key=Secret(value=SecretStr(sandbox.key)), base_url=sandbox.url)
        try:
            yield WayIn(LocalDestination(folder=Path(SAMPLES)), key, poll_interval=_EVERY, is_sandbox=True)
        finally:
            with suppress(OctopusXError, OSError):  # which must not hide what became of the video
                asyncio.run(_remove_unfinished({job.id for job in sandbox.jobs}))


async def _remove_unfinished(tasks: Collection[str]) -> None:
    store = LocalStore(SAMPLES)
    async for entry in pending_videos(store):
        record = entry.record
        if record.task_id in tasks and record.claim:
            for suffix in (".mp4", ".jpg", ".html", ".json"):
                (store.folder / f"{record.name}{suffix}").unlink(missing_ok=True)
            await store.sweep(record.name)
            await store.unmark(record.name, record.claim)


def _found_or_declined(screen: Screen, place: Place, access: Access) -> WayIn | None:
    """Return the way in; None where there is no key, and a person wants the sandbox."""
    try:
        return way_in(place, access)
    except CredentialsMissing as error:
        if not screen.can_ask:
            raise CredentialsMissing(f"{error}\nOr try it with --sandbox, which bills nothing.") from None
        if screen.ask("No API key found. Try the sandbox, which bills nothing?"):
            return None
        raise
