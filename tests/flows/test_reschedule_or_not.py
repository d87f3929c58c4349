"""Runs that could not go on in another process: refused, or they wait in their own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions

from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.storage import RecordState, VideoRecord
from tests.flows.deployed import Deployed, Studio
from tests.pictures import png

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


class TestWhatCouldNotGoOn:
    """Refused before anything is paid; unless it is only what a run does by itself."""

    async def test_a_folder_that_the_next_process_might_not_find(self, studio: Studio) -> None:
        await self.refused(studio, "destination: the folder videos is relative", destination={"folder": "videos"})

    async def test_a_picture_that_must_be_there_at_each_start(self, studio: Studio, tmp_path: Path) -> None:
        picture = tmp_path / "cat.png"
        picture.write_bytes(png())
        await self.refused(studio, "images: .*cat.png", request={"model": "viduq2-pro", "images": [str(picture)]})

    async def test_a_limit_that_cancels_who_comes_back(self, studio: Studio) -> None:
        options = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
        limit = {"concurrency_limit": 1, "concurrency_options": options}
        await self.refused(studio, "CANCEL_NEW", options=limit)

    async def refused(self, studio: Studio, why: str, **parameters: Any) -> None:  # noqa: ANN401
        run = await studio.deploy(**parameters)
        with pytest.raises(ValueError, match=why):
            await run.start()
        assert studio.posts == 0

    async def test_by_itself_a_run_waits_in_its_process_then(
        self, studio: Studio, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        request = {"off_peak": True}
        run = await studio.deploy(request=request, wait="auto", destination={"folder": "videos"})
        process = asyncio.create_task(run.start())
        async with asyncio.timeout(30):
            while studio.looks < 2:
                await asyncio.sleep(0.02)
            studio.finish()
            assert (await process).state is RecordState.COMPLETED
        assert "this run waits in its process. destination: the folder videos is relative" in caplog.text


class TestInsideAnother:
    """The process, and what would be started again, is another flow's."""

    async def test_a_flow_that_calls_it_does_not_leave(self, studio: Studio) -> None:
        parameters = studio.parameters()

        @flow
        async def nightly(as_function: bool) -> VideoRecord:
            call = generate_video.fn if as_function else generate_video
            return await call(
                ViduRequest(**parameters["request"]),
                LocalDestination(**parameters["destination"]),
                name=f"cat-{as_function}",
                wait="reschedule",
                poll_interval=0.1,
            )

        for count, as_function in enumerate((True, False), 1):
            run = await Deployed.create(nightly, {"as_function": as_function})
            process = asyncio.create_task(run.start())
            async with asyncio.timeout(30):
                while len(studio.sandbox.jobs) < count:
                    await asyncio.sleep(0.02)
                studio.finish()
                assert (await process).state is RecordState.COMPLETED
            assert "AwaitingVideo" not in await run.states()


class TestWithoutADeployment:
    """Nothing would bring the run back."""

    async def test_it_waits_in_the_process_and_says_so(
        self, studio: Studio, credentials: OctopusXCredentials, caplog: pytest.LogCaptureFixture
    ) -> None:
        record = await generate_video(
            request={"model": "viduq3-pro", "prompt": "a cat"},  # type: ignore[arg-type] # as from JSON
            name="cat",
            destination=studio.destination,
            credentials=credentials,
            wait="reschedule",
            poll_interval=0.05,
        )
        assert record.state is RecordState.COMPLETED
        assert "wait=reschedule, but this run is of no deployment" in caplog.text
