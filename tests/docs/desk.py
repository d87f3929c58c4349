"""A desk at which the things of docs/errors.md go wrong, one after the other."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.states import State

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_due_videos, generate_video, generate_videos, redrive_videos
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import DestinationError, VideoRecord

__all__ = ["Desk", "Final", "vidu"]

Final = State[Any]


class Desk:
    """Does the things that go wrong, with good surroundings around each."""

    def __init__(self, sandbox: Sandbox, forbidden: str, submissions: list[str]) -> None:
        self.sandbox = sandbox
        self.forbidden = forbidden
        self.submissions = submissions
        self.destination: S3Destination | LocalDestination = S3Destination(bucket="my-videos", prefix="clips")

    def run(self, request: Any = None, *, name: str = "hero", fault: Fault | None = None, **options: Any) -> Final:  # noqa: ANN401
        """Run the flow, with something wrong; return its final state."""
        if fault:
            self.sandbox.add_fault(fault)
        self.destination = options.setdefault("destination", self.destination)
        return asyncio.run(generate_video(request or vidu(), name=name, **options, return_state=True))

    def with_key(self, key: str, base_url: str | None = None) -> Final:
        """Run it with other credentials."""
        return self.run(
            credentials=OctopusXCredentials(api_key=Secret(value=key), base_url=base_url or self.sandbox.url)
        )

    def before(self, **options: Any) -> None:  # noqa: ANN401
        """Make the video, as an earlier run that does not count."""
        assert self.run(**options).is_completed()
        self.sandbox.reset()
        self.submissions.clear()

    def taken(self) -> Final:
        """Use a name twice, for two requests."""
        self.before()
        return self.run(vidu(seed=7))

    def gone(self) -> Final:
        """Remove a video, but not its record."""
        self.before(destination=LocalDestination(folder="."))
        Path("hero.mp4").unlink()
        return self.run()

    def unexplained(self) -> Final:
        """Use the name of a file without a record."""
        Path("alien.mp4").write_bytes(b"a video of somebody")
        return self.run(name="alien", destination=LocalDestination(folder="."))

    def no_folder(self) -> Final:
        """Use a file as a folder."""
        Path("file").write_text("not a folder", "utf-8")
        return self.run(destination=LocalDestination(folder="file"))

    def no_folder_for_the_file(self) -> Final:
        """Lay a file where the video's part is to be written."""
        Path(".hero.mp4.part").write_text("not a folder", "utf-8")
        return self.run(destination=LocalDestination(folder="."))

    def without_key(self, monkeypatch: pytest.MonkeyPatch) -> Final:
        """Run it where no key is to be found."""
        monkeypatch.delenv("OCTOPUSX_API_KEY")
        return self.run()

    def videos(self, *, fault: Fault | None = None, **options: Any) -> Final:  # noqa: ANN401
        """Run the flow for a list, by default of the one video `hero`."""
        if fault:
            self.sandbox.add_fault(fault)
        if not options.keys() & {"manifest", "requests"}:
            options |= {"requests": {"hero": vidu()}, "name": "launch"}
        return asyncio.run(generate_videos(**options, destination=self.destination, return_state=True))

    def listed(self, manifest: str, *, due: bool = False, **options: Any) -> Final:  # noqa: ANN401
        """Run it, or the calendar, with the list in a file."""
        Path("launch.csv").write_text(manifest, "utf-8")
        if due:
            return asyncio.run(
                generate_due_videos("launch.csv", destination=self.destination, **options, return_state=True)
            )
        return self.videos(manifest="launch.csv", **options)

    def redriven(self, batch: str = "launch") -> Final:
        """Try again what a batch could not make."""
        return asyncio.run(redrive_videos(batch, destination=self.destination, return_state=True))

    def redriven_without_its_request(self) -> Final:
        """The same for a request that the results do not hold."""
        signed = vidu(model="viduq2-pro", images=["https://example.com/cat.png?signature=abc"])
        self.videos(requests={"signed": signed}, name="launch", fault=Fault("create_policy_violation"))
        self.sandbox.reset()
        self.submissions.clear()
        return self.redriven()

    def with_a_limit(self, **fields: Any) -> Final:  # noqa: ANN401
        """Run it while there is a global concurrency limit."""

        async def limited() -> Final:
            async with get_client() as client:
                limit = GlobalConcurrencyLimitCreate(name="octopusx-creates", limit=1, **fields)
                await client.create_global_concurrency_limit(limit)
                try:
                    return await generate_video(vidu(), name="hero", destination=self.destination, return_state=True)
                finally:
                    await client.delete_global_concurrency_limit_by_name("octopusx-creates")

        return asyncio.run(limited())

    def record(self) -> VideoRecord | None:
        """Return what is left behind."""

        async def read() -> VideoRecord | None:
            try:
                entry = await (await self.destination.store()).read("hero")
            except DestinationError:
                return None
            return entry.record if entry else None

        return asyncio.run(read())


def vidu(**fields: Any) -> ViduRequest:  # noqa: ANN401 - also wrong ones
    return ViduRequest(**{"model": "viduq3-pro", "prompt": "a cat", **fields})
