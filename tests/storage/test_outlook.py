"""What is foreseen of a name is what submitting it then does."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.api import InvalidRequest, OctopusXError, SubmissionUncertain, ViduRequest
from prefect_octopusx.storage import (
    DestinationError,
    DestinationUnavailable,
    NameTaken,
    RecordInvalid,
    RecordState,
    S3Store,
    Step,
    VideoRecord,
    VideoStore,
    foresee,
)
from tests.storage.conftest import Bucket, Fault, Place, Proxy
from tests.storage.sending import CAT, DOG, Posts, Send


def left(state: RecordState, **fields: Any) -> VideoRecord:  # noqa: ANN401 - fields of the record
    """Return a record as an earlier run left it."""
    accepted = state in {RecordState.SUBMITTED, RecordState.COMPLETED, RecordState.FAILED}
    given = {
        "name": "hero",
        "state": state,
        "model": CAT.model,
        "family": CAT.family,
        "request": CAT.recorded(),
        "digest": CAT.digest,
        "claimed_at": datetime.now(UTC),
        "task_id": "t-1" if accepted else None,
        "flow_run_id": "earlier",
        "lease": 0.0,
    }
    return VideoRecord.model_validate(given | fields)


@pytest.mark.parametrize("place", ["local"], indirect=True)  # the rules are of no store
@pytest.mark.parametrize("state", RecordState)
async def test_the_outlook_is_what_happens(send: Send, posts: Posts, state: RecordState) -> None:
    for request, on_uncertain, retry_failed, asked_by in itertools.product(
        (CAT, DOG), ("stop", "resubmit"), (False, True), ("now", "earlier")
    ):
        options: dict[str, Any] = {"on_uncertain": on_uncertain, "retry_failed": retry_failed, "asked_by": asked_by}
        name = f"{request.prompt[2:5]}-{on_uncertain}-{retry_failed}-{asked_by}"
        await send.store.create(left(state, name=name, asked_by="earlier"))
        if state is RecordState.COMPLETED:
            async with send.store.writer(name) as video:
                await video.write(b"a video")
                await video.commit()
        sent = posts.sent
        outlook = await foresee(send.store, request, name=name, **options)
        assert posts.sent == sent
        happened = await what_happens(send, posts, request, name, options)
        if outlook.step is Step.FOLLOW:  # a run has to find out first; here the other one is dead
            assert happened == (Step.STOP, SubmissionUncertain)
        else:
            assert (outlook.step, type(outlook.error)) == happened, options


async def what_happens(
    send: Send, posts: Posts, request: ViduRequest, name: str, options: dict[str, Any]
) -> tuple[Step, type[object]]:
    """Submit, and say it in the words of an outlook."""
    sent = posts.sent
    try:
        record = await send(request, name=name, **options)
    except OctopusXError as error:
        assert posts.sent == sent
        return Step.STOP, type(error)
    if posts.sent > sent:
        return Step.CREATE, type(None)
    return (Step.SKIP if record.state is RecordState.COMPLETED else Step.RESUME), type(None)


async def test_a_new_name_is_created(store: VideoStore) -> None:
    assert await foresee(store, CAT, name="hero") == (Step.CREATE, None, None)


async def test_a_claim_that_lives_is_followed(store: VideoStore) -> None:
    await store.create(left(RecordState.SUBMITTING, lease=60.0))
    for options in ({}, {"on_uncertain": "resubmit"}):
        assert (await foresee(store, CAT, name="hero", **options)).step is Step.FOLLOW


async def test_a_foreign_file_and_a_foreign_record_stop(place: Place) -> None:
    place.put("film.mp4", b"somebody's own")
    place.put("notes.json", b"{}")
    assert isinstance((await foresee(place.store, CAT, name="film")).error, NameTaken)
    assert isinstance((await foresee(place.store, CAT, name="notes")).error, RecordInvalid)


async def test_a_stored_video_that_is_gone_stops(store: VideoStore) -> None:
    await store.create(left(RecordState.COMPLETED))
    outlook = await foresee(store, CAT, name="hero")
    assert outlook.step is Step.STOP
    assert isinstance(outlook.error, DestinationError)
    assert outlook.record is not None


async def test_a_picture_that_is_gone_stops(store: VideoStore, tmp_path: Path) -> None:
    request = CAT.model_copy(update={"images": (str(tmp_path / "gone.png"),)})
    outlook = await foresee(store, request, name="hero")
    assert outlook.step is Step.STOP
    assert isinstance(outlook.error, InvalidRequest)


async def test_a_destination_that_is_away_is_an_error(bucket: Bucket, proxy: Proxy) -> None:
    """It concerns all names, and trying again may help."""
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    proxy.faults += [Fault("GET", 503, "SlowDown")] * 3
    with pytest.raises(DestinationUnavailable):
        await foresee(store, CAT, name="hero")
