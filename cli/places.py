"""Where videos are: what `--to`, `--endpoint-url` and `--destination` say."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefect_octopusx.cli.exits import Refused
from prefect_octopusx.cli.options import Access, Where
from prefect_octopusx.storage import LocalStore, S3Options, S3Store, VideoStore
from prefect_octopusx.storage.s3_client import check_prefix

if TYPE_CHECKING:
    from prefect_octopusx.blocks import Destination

__all__ = ["SAMPLES", "Address", "Place", "place_of", "samples_only"]

SAMPLES = "sandbox-videos"
"""The folder of what a sandbox of a command makes, which must not be taken for the real thing by a later run."""
_BLOCKS = ("s3-destination", "local-destination")


class Address(NamedTuple):
    """A bucket, or a folder. Prefect, whose import takes seconds, is not needed for it."""

    bucket: str = ""
    prefix: str = ""
    endpoint_url: str | None = None
    folder: str = ""

    def store(self) -> VideoStore:
        """Return its store."""
        if self.folder:
            return LocalStore(Path(self.folder))
        return S3Store(S3Options(bucket=self.bucket, prefix=self.prefix, endpoint_url=self.endpoint_url))


class Place(NamedTuple):
    """What was typed: an address, a saved block, or neither."""

    address: Address | None = None
    block: str | None = None
    arguments: tuple[str, ...] = ()
    """The options that say so, to name the same place in another command."""

    async def destination(self) -> "Destination":
        """Return the destination as the flows take it; needs Prefect's API where no address was typed.

        Raises:
            Refused: There is no such saved block.
        """
        # Prefect's import takes seconds, and help is wanted at once.
        from prefect_octopusx.blocks import LocalDestination, S3Destination, resolve_destination  # noqa: PLC0415

        if self.address:
            if self.address.folder:
                return LocalDestination(folder=Path(self.address.folder))
            return S3Destination(**{k: v for k, v in self.address._asdict().items() if k != "folder"})
        if self.block is None:
            return await resolve_destination()
        kind: type[S3Destination | LocalDestination] = LocalDestination
        slug, _, name = self.block.partition("/")
        if slug == _BLOCKS[0]:
            kind = S3Destination
        try:
            return await kind.aload(name)
        except ValueError as error:  # Prefect's way to say that there is none
            raise Refused(f"--destination: {error}") from None


def place_of(where: Where) -> Place:
    """Return what was typed.

    Raises:
        Refused: It can't be a place.
    """
    to, endpoint, block = where.to, where.endpoint_url, where.destination
    if to is not None and block is not None:
        raise Refused("--to is not allowed with --destination: give one of them")
    if endpoint is not None and not (to or "").startswith("s3://"):
        raise Refused("--endpoint-url goes with --to s3://bucket/prefix")
    if block is not None:
        slug, _, name = block.partition("/")
        if slug not in _BLOCKS or not name or "/" in name:
            known = " or ".join(f"{slug}/NAME" for slug in _BLOCKS)
            raise Refused(f"--destination: {block!r} is no block like {known}")
        return Place(block=block, arguments=("--destination", block))
    if to is None:
        return Place()
    further = () if endpoint is None else ("--endpoint-url", endpoint)
    return Place(address=_address(to, endpoint), arguments=("--to", to, *further))


def samples_only(place: Place, access: Access) -> None:
    """Check what was typed with `--sandbox`.

    Raises:
        Refused: The sandbox is wanted for a place of real videos, or with a key.
    """
    if place.arguments or access.credentials:
        raise Refused(
            f"--sandbox: its samples go to the folder {SAMPLES}, never where real videos are, and it has a key of its "
            "own. Leave out --to, --destination and --credentials. To try a bucket, start `prefect-octopusx sandbox`, "
            "and give its address and key to OCTOPUSX_BASE_URL and OCTOPUSX_API_KEY"
        )


def _address(to: str, endpoint: str | None) -> Address:
    if to.startswith("s3://"):
        bucket, _, prefix = to.removeprefix("s3://").partition("/")
        if len(bucket) < 3:
            raise Refused(f"--to: {to!r} names no bucket: it is like s3://bucket/prefix")
        try:
            check_prefix(prefix)
        except ValueError as error:
            raise Refused(f"--to: {error}") from None
        return Address(bucket=bucket, prefix=prefix, endpoint_url=endpoint)
    if not to or "://" in to or to.startswith("s3:"):
        raise Refused(f"--to: {to!r} is neither s3://bucket/prefix nor a folder")
    if to.partition("/")[0] in _BLOCKS:
        raise Refused(f"--to: {to!r} is a saved block; give it as --destination (or a folder as ./{to})")
    return Address(folder=to)
