"""What a person needs who has to decide about a create without a certain answer."""

import json
import logging
from typing import Any

from prefect.artifacts import acreate_markdown_artifact

from prefect_octopusx.storage import VideoRecord, VideoStore
from prefect_octopusx.tasks.progress import artifact_key

__all__ = ["show_uncertain"]


async def show_uncertain(store: VideoStore, name: str, logger: "logging.Logger | logging.LoggerAdapter[Any]") -> None:
    """Write an artifact that says what was sent, when, under which name and digest, and the ways on.

    Trouble is logged, never raised: the error itself matters more.
    """
    try:
        entry = await store.read(name)
        if entry is not None:
            await acreate_markdown_artifact(
                _text(entry.record),
                key=artifact_key(entry.record.name, kind="uncertain"),
                description=f"{entry.record.name}: nobody knows whether this create was accepted",
            )
    except Exception as trouble:  # noqa: BLE001 - see above
        logger.warning("%s: the artifact about its uncertain create can't be written: %s", name, trouble)


def _text(record: VideoRecord) -> str:
    request = json.dumps(record.request, indent=2, ensure_ascii=False)
    return f"""# Was {record.name} created?

A create was sent and no certain answer came. The video may be in the making, and billed. **Nothing is sent again by
itself.**

| | |
|---|---|
| name | `{record.name}` |
| model | `{record.model}` |
| claimed, and sent right after | {record.claimed_at:%Y-%m-%d %H:%M:%S} UTC |
| digest | `{record.digest}` |
| flow run | `{record.flow_run_id or "none"}` |
| reason | {(record.error or "a run ended while it sent the create").replace("|", " ")} |

Sent was:

~~~json
{request}
~~~

## How to go on

Look in the OctopusX dashboard for a task of this model at this time.

* **It is there:** run the flow `adopt-video` with `task_id` = its id, `name` = `{record.name}` and the same
  destination. It waits for the video and stores it; nothing is paid again.
* **It is not there:** run `generate-video` again with the same request, the name `{record.name}` and
  `on_uncertain` = `resubmit`. This sends, and pays for, a new create.
"""
