"""The main job when the gateway or the download makes trouble: what is tried again, and what is left."""

import pytest

from prefect_octopusx.api import DownloadError, DownloadRefused, RateLimited, SubmissionUncertain, VideoFailed
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import RecordState
from tests.flows.main_job import Run, names, posts, seconds_that_play, stored
from tests.flows.ways_on import Destination

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")


class TestTrouble:
    """What goes wrong on the way, and what is left."""

    @pytest.mark.parametrize("kind", ["create_rate_limited", "create_upstream_saturated", "create_model_not_found"])
    async def test_a_create_that_was_not_accepted_is_sent_again(self, run: Run, sandbox: Sandbox, kind: str) -> None:
        sandbox.add_fault(Fault(kind))
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 2
        assert len(sandbox.ledger) == 1

    async def test_a_create_that_is_never_accepted_ends(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("create_rate_limited", times=None))
        with pytest.raises(RateLimited):
            await run()
        assert posts(sandbox) == 5

    async def test_a_lost_reply_is_never_sent_again(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("create_lost_reply"))
        state = await run.state()
        assert state.is_failed()
        assert "SubmissionUncertain: hero: No certain answer to the create of viduq3-pro" in str(state.message)
        with pytest.raises(SubmissionUncertain):
            await run()
        assert posts(sandbox) == 1

    async def test_a_failed_video_is_told_with_its_reason_and_not_waited_for_again(
        self, run: Run, sandbox: Sandbox
    ) -> None:
        sandbox.add_fault(Fault("video_failed", reason="creation policy violation"))
        state = await run.state()
        assert state.is_failed()
        assert "VideoFailed: hero: viduq3-pro failed, task" in str(state.message)
        assert "creation policy violation" in str(state.message)
        with pytest.raises(VideoFailed, match="creation policy violation"):
            await run()
        assert posts(sandbox) == 1
        assert (await run(retry_failed=True)).state is RecordState.COMPLETED
        assert posts(sandbox) == 2

    async def test_a_query_that_fails_for_long_goes_on_with_the_same_id(self, run: Run, sandbox: Sandbox) -> None:
        sandbox.add_fault(Fault("query_500", times=12))
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 1

    @pytest.mark.parametrize(
        "kind",
        ["file_expired", "file_404", "file_410", "file_truncated", "file_cut", "file_html", "file_json", "file_empty"],
    )
    async def test_a_bad_download_is_tried_again_with_a_fresh_link(
        self, run: Run, sandbox: Sandbox, destination: Destination, kind: str
    ) -> None:
        sandbox.add_fault(Fault(kind, times=2))
        record = await run()
        assert seconds_that_play(stored(record, destination)) > 1
        assert posts(sandbox) == 1

    @pytest.mark.parametrize("kind", ["file_cut", "file_html", "file_truncated"])
    async def test_a_download_that_stays_bad_leaves_nothing_but_the_record(
        self, run: Run, sandbox: Sandbox, destination: Destination, kind: str
    ) -> None:
        sandbox.add_fault(Fault(kind, times=None))
        with pytest.raises(DownloadError):
            await run()
        assert [name.rpartition("/")[2] for name in names(destination) if not name.endswith("clips")] == ["hero.json"]
        sandbox.clear_faults()
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 1

    async def test_a_link_into_the_own_network_is_not_tried_again_and_leaves_the_record(
        self, run: Run, sandbox: Sandbox, destination: Destination
    ) -> None:
        sandbox.add_fault(Fault("file_redirect_private", times=1))  # a retry would get the video
        with pytest.raises(DownloadRefused, match=r"169\.254\.169\.254.*allowed_private_hosts.*within a day"):
            await run()
        assert [name.rpartition("/")[2] for name in names(destination) if not name.endswith("clips")] == ["hero.json"]
        assert (await run()).state is RecordState.COMPLETED
        assert posts(sandbox) == 1

    @pytest.mark.parametrize("kind", ["video_url_late", "video_url_missing", "video_url_gateway", "query_null_data"])
    async def test_odd_answers_on_the_way(self, run: Run, sandbox: Sandbox, kind: str) -> None:
        sandbox.add_fault(Fault(kind))
        assert (await run()).state is RecordState.COMPLETED
