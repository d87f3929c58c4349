"""What a person sees while a video is in the making: log lines for transitions, one artifact for progress."""

import hashlib
import logging
import re
import time
from typing import Any
from uuid import UUID

import httpx
from prefect.artifacts import Artifact, acreate_progress_artifact, aupdate_progress_artifact
from prefect.exceptions import PrefectException

from prefect_octopusx.api import VideoTask
from prefect_octopusx.tasks.markup import human_seconds
from prefect_octopusx.tasks.runs import attempt, task_run_id

__all__ = ["Progress", "artifact_key"]


class Progress:
    """Reports one video: a log line a state, and one progress artifact that moves when progress does.

    Args:
        key: The artifact's key.
        label: What the video is called in the log.
        submitted_at: When it was submitted, in Unix seconds.
        logger: The run's logger.
    """

    def __init__(
        self, key: str, label: str, submitted_at: float, logger: "logging.Logger | logging.LoggerAdapter[Any]"
    ) -> None:
        self._key = key
        self._label = label
        self._submitted_at = submitted_at
        self._logger = logger
        self._artifact: UUID | None = None
        self._seen: VideoTask | None = None
        self._shown: tuple[float, str] | None = None

    async def show(self, task: VideoTask) -> None:
        """Show what a look found, if it is new. Trouble with Prefect's API is logged, never raised."""
        before, self._seen = self._seen, task
        if before is None or before.state != task.state:
            reason = f": {task.error}" if task.error else ""
            self._logger.info("%s: %s, task %s%s", self._label, task.state, task.id, reason)
        progress = 100.0 if task.final and task.error is None else min(task.progress or 0.0, 99.0)
        told = self._description(task)
        if self._shown == (progress, told):
            return
        try:
            if self._artifact is None:
                self._artifact = await self._of_an_earlier_attempt()
            if self._artifact is None:
                self._artifact = await acreate_progress_artifact(progress, key=self._key, description=told)
            else:
                await aupdate_progress_artifact(self._artifact, progress, description=told)
            self._shown = progress, told
        except (httpx.HTTPError, PrefectException) as error:
            # A paid video does not fail because its progress can't be shown.
            self._logger.warning("%s: progress can't be shown: %s", self._label, type(error).__name__)

    def _description(self, task: VideoTask) -> str:
        """Return the artifact's description; where the API gives no progress, it is the time that moves."""
        told = f"{self._label}, task {task.id}"
        if task.final or task.progress is not None:
            return told
        age = human_seconds(max(0.0, time.time() - self._submitted_at))
        return f"{told}: {task.state}, {age} after it was submitted; the API tells no progress"

    async def _of_an_earlier_attempt(self) -> UUID | None:
        """Return the artifact that this task run wrote before it was retried."""
        if attempt() == 1:
            return None
        found = await Artifact.aget(self._key)
        return found.id if found is not None and found.task_run_id == task_run_id() else None


def artifact_key(name: str, *, kind: str = "video") -> str:
    """Return a key that Prefect accepts (lower-case letters, digits, dashes) and that tells names apart."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if slug != name:
        slug = f"{slug[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("-")
    return f"{kind}-{slug}"
