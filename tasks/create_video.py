"""Submitting a video, once."""

from functools import partial

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from prefect_octopusx.api import VideoRequest
from prefect_octopusx.blocks import Destination, OctopusXCredentials, resolve_credentials
from prefect_octopusx.storage import LEASE, OnUncertain, VideoRecord
from prefect_octopusx.tasks.events import open_store
from prefect_octopusx.tasks.limits import shared_limits
from prefect_octopusx.tasks.retries import resend_is_safe
from prefect_octopusx.tasks.runs import top_run_id
from prefect_octopusx.tasks.steps import submit_video
from prefect_octopusx.tasks.submittable import submittable

__all__ = ["create_video"]


@submittable
@task(
    name="create-video",
    task_run_name="create {request.model} {name}",
    # 20, 40, 80 and 160 s: a saturated upstream wants half a minute and more.
    retries=4,
    retry_delay_seconds=exponential_backoff(20),
    retry_jitter_factor=0.3,
    retry_condition_fn=resend_is_safe,
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def create_video(
    request: VideoRequest,
    *,
    name: str,
    destination: Destination | None = None,
    credentials: OctopusXCredentials | None = None,
    on_uncertain: OnUncertain = "stop",
    retry_failed: bool = False,
    asked_by: str | None = None,
    lease: float = LEASE,
) -> VideoRecord:
    """Make sure that the video `name` is submitted, and paid for, once: `POST /v1/video/create`.

    The record at the destination decides: a video that was submitted or completed under this name is not sent again.
    Prefect retries only what surely was not accepted.

    Args:
        request: What to make.
        name: The idempotency key, and the video's name at the destination.
        destination: Where record and video go; by default `s3-destination/default`, else the folder `videos`.
        credentials: The API key; by default `octopusx-credentials/default` and the other ways of `resolve_credentials`.
        on_uncertain: `resubmit` sends again where nobody knows whether an earlier create was accepted.
        retry_failed: Whether to try anew, and pay for, what failed or was refused.
        asked_by: The run that the two options above were given to, and for which they count once, with all its retries:
            by default the flow run at the top of the flows and tasks around this one.
        lease: Seconds, 1 to 600, without a sign of life after which other runs take this one for dead while its create
            is on the way.

    Returns:
        The record, `submitted` or `completed`.

    Raises:
        SubmissionUncertain: Nobody knows whether a create was accepted. Never retried by itself. An artifact says what
            was sent, when, and how to go on.
        VideoFailed: It failed earlier, and `retry_failed` is off.
        NameTaken: The name belongs to another request.
        OctopusXError: The create was refused, or the destination can't be used; the message says what to do.
        ValueError: `lease` is out of range, or the name can't name a video.
    """
    if not 1 <= lease <= 600:
        raise ValueError(f"lease: {lease} is out of range; it is 1 to 600 seconds.")
    if asked_by is None and (retry_failed or on_uncertain == "resubmit"):
        asked_by = await top_run_id()
    logger = get_run_logger()
    store = await open_store(destination)
    async with (await resolve_credentials(credentials)).client(logger=logger) as client:
        return await submit_video(
            store,
            client,
            request,
            name=name,
            on_uncertain=on_uncertain,
            retry_failed=retry_failed,
            asked_by=asked_by,
            lease=lease,
            turn=partial(await shared_limits(logger), "create"),
            logger=logger,
        )
