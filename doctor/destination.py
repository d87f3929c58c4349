"""The destination: which it is, and what it can do."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from prefect_octopusx.blocks import Destination, LocalDestination, S3Destination, resolve_destination
from prefect_octopusx.doctor.bucket import Bucket
from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.findings import Finding, failed, ok, warning
from prefect_octopusx.doctor.folder import Folder
from prefect_octopusx.doctor.gateway import is_saved, unreadable
from prefect_octopusx.doctor.places import Place
from prefect_octopusx.doctor.threads import in_spare_loop
from prefect_octopusx.storage import RecordInvalid, S3Store, check_name

__all__ = ["KINDS", "checks_of_destination"]

KINDS: dict[str, type[S3Destination] | type[LocalDestination]] = {
    "s3-destination": S3Destination,
    "local-destination": LocalDestination,
}
_DEFAULT = "s3-destination/default"  # as flows have it
_OLD = timedelta(days=1)
_MOST_RECORDS = 100


async def _destination(case: Case) -> Finding:
    block = case.asked_for if isinstance(case.asked_for, str) else _DEFAULT
    slug, _, name = block.partition("/")
    kind = KINDS[slug]
    if isinstance(case.asked_for, str) and not await is_saved(slug, name):
        return failed(
            f"there is no saved block {block}",
            f'Save it:\nawait {kind.__name__}(...).asave("{name}")\nor see what there is:\nprefect block ls',
        )
    try:
        if isinstance(case.asked_for, str):
            destination: Destination = await kind.aload(name)
        else:
            destination = await resolve_destination(case.asked_for)
    except RuntimeError as error:  # Prefect's, for a block that was saved otherwise than it is today
        return failed(
            unreadable(f"the block {block}", error),
            f'Save it again:\nawait {kind.__name__}(...).asave("{name}", overwrite=True)',
        )
    whose = f"the block {block}" if isinstance(case.asked_for, str) else "as given"
    if case.asked_for is None:
        saved = isinstance(destination, S3Destination)
        whose = f"the block {block}" if saved else "what flows use, as no destination is saved"
    case.store = await destination.store()
    if isinstance(destination, LocalDestination):
        case.place = Folder(destination.folder)
        return ok(f"the folder {destination.folder} ({whose})")
    assert isinstance(case.store, S3Store)  # noqa: S101 - for mypy
    case.place = Bucket(case.store.options, case.clock)
    return ok(f"s3://{destination.bucket}/{destination.prefix.strip('/')} ({whose})")


def _tried(method: Callable[[Place], Finding]) -> Callable[[Case], Awaitable[Finding]]:
    """Return a check that does this at the place, in a thread of its own."""

    async def look(case: Case) -> Finding:
        place = case.place
        assert place is not None  # noqa: S101 - for mypy: it needs one
        return await case.threads.run(lambda: method(place))

    return look


async def _pending(case: Case) -> Finding:
    return await in_spare_loop(_look_at_pending(case))


async def _look_at_pending(case: Case) -> Finding:
    """Look for videos that are in the making for more than a day, without touching the index."""
    assert case.store is not None  # noqa: S101 - for mypy
    marks = [mark async for mark in case.store.pending() if mark.name]
    if not marks:
        return ok("no video is pending")
    before = datetime.fromtimestamp(case.clock(), UTC) - _OLD
    old = []
    for mark in sorted(marks, key=lambda mark: -mark.age)[:_MOST_RECORDS]:
        try:
            entry = await case.store.read(check_name(mark.name))
        except (RecordInvalid, ValueError):  # the mark may be somebody else's, of what is no name
            continue  # collect_videos tells of the record
        record = entry.record if entry else None
        if record and record.claim == mark.claim and record.state.is_pending and record.claimed_at < before:
            old.append(f"{mark.name} ({record.state})")
    looked = f"of the oldest {_MOST_RECORDS} of {len(marks)}" if len(marks) > _MOST_RECORDS else f"of {len(marks)}"
    if not old:
        return ok(f"{looked} pending videos none is older than a day")
    return warning(
        f"{len(old)} {looked} pending videos are older than a day: {_some(old)}",
        "Store what is ready: run the flow collect_videos. What is uncertain waits for a person: "
        "docs/what-happens-when.md",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _of_place(
    name: str, method: Callable[[Place], Finding], *, needs: str = "destination-write", writes: bool = False
) -> Check:
    return Check("destination", name, _tried(method), needs=(needs,), writes=writes)


def checks_of_destination(asked_for: Destination | str | None) -> tuple[Check, ...]:
    """Return the checks; to find a saved block Prefect is needed, to find what is given it is not."""
    needs = () if isinstance(asked_for, S3Destination | LocalDestination) else ("prefect-api",)
    return (
        Check("destination", "destination", _destination, needs=needs),
        _of_place("destination-write", lambda place: place.write(), needs="destination", writes=True),
        _of_place("destination-conditions", lambda place: place.conditions(), writes=True),
        _of_place("bucket-multipart", lambda place: place.multipart(), writes=True),
        _of_place("bucket-checksums", lambda place: place.checksums(), writes=True),
        _of_place("bucket-listing", lambda place: place.listing(), writes=True),
        _of_place("bucket-clock", lambda place: place.clock_skew()),
        _of_place("folder-space", lambda place: place.space(), needs="destination"),
        _of_place("folder-lasts", lambda place: place.lasts(), needs="destination"),
        Check("destination", "pending-videos", _pending, needs=("destination-write",)),
    )
