"""Automations for a team: it hears of what goes wrong, and runs that died are seen as such, and start again.

    python deployments/automations.py apply --notify slack-webhook/oncall
    python deployments/automations.py list
    python deployments/automations.py remove

They are found again by their names, so `apply` may be repeated: what is as it should be stays untouched, and what a
person has switched off stays off. The page `docs/observing.md` says what each does.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect import Flow, get_client
from prefect.automations import (
    Automation,
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
    SendNotification,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from prefect_octopusx import flows

__all__ = ["DEAD_AFTER", "NAMES", "alerts", "apply", "crashed_runs", "dead_runs", "existing", "notifier", "remove"]

DEAD_AFTER = timedelta(minutes=10)
"""Three heartbeats and a minute; a run sends one every 180 s, or as PREFECT_FLOWS_HEARTBEAT_FREQUENCY says."""
_SHORTEST_DEAD_AFTER = 90  # seconds; Prefect sends heartbeats every 30 s at most
_AGAIN_EVERY = timedelta(hours=1)
_BACK_WITHIN = timedelta(hours=2)  # a run that waits for its video looks every half an hour at least
_DEAD, _CRASHED, _FAILED, _UNCERTAIN, _LATE, _AWAY, _VIDEOS = NAMES = (
    "octopusx: dead runs are crashed",
    "octopusx: crashed runs start again",
    "octopusx: a run failed",
    "octopusx: nobody knows whether a video is paid for",
    "octopusx: a run is late",
    "octopusx: a run that waits for its video does not come back",
    "octopusx: videos fail",
)
_ENDS_HEARTBEATS = (
    # The final states of our flows; Prefect itself refuses to crash what has any other final state.
    *("Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "Uncertain", "TooLate"),
    # The run has no process, or sleeps until its retry, and is well.
    *("AwaitingVideo", "AwaitingRetry", "Paused", "Suspended"),
)


def dead_runs(after: timedelta = DEAD_AFTER) -> AutomationCore:
    """Return what sets a run to Crashed that has sent a heartbeat, and then nothing for so long."""
    return AutomationCore(
        name=_DEAD,
        description=f"A run without a heartbeat for {after} is Crashed: its process is gone.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{name}" for name in _ENDS_HEARTBEATS)},
            for_each={"prefect.resource.id"},
            match_related=_our_flows(),
            posture=Posture.Proactive,
            within=after,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                force=False,  # what is over stays as it is
                message=f"No heartbeat for {after}: its process is gone. Its videos are not: run it again with the "
                "same name, or press Retry. Nothing is paid again by that",
            )
        ],
    )


def crashed_runs() -> AutomationCore:
    """Return what starts a crashed run of a deployment again, once an hour at most.

    Its process was killed, and the run knows nothing of that. It goes on from the records of its videos, so it pays for
    nothing twice; one that kills its worker each time can't do so more often than that.
    """
    return AutomationCore(
        name=_CRASHED,
        description="A crashed run of a deployment is started again, and goes on where its videos stand; once an hour.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=[_our_flows(), ResourceSpecification({"prefect.resource.role": "deployment"})],
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_AGAIN_EVERY,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                force=False,
                message="It crashed, and goes on where its videos stand. Nothing is paid again by that",
            )
        ],
    )


def alerts(block: UUID, *, failed_videos: int = 5) -> list[AutomationCore]:
    """Return the automations that notify somebody.

    Args:
        block: The id of a notification block.
        failed_videos: So many videos in an hour that failed, or may be paid for and lost, are worth an alert.
    """
    state = "{{ event.resource['prefect.state-message']|truncate(1000) }}"
    return [
        _alert(
            _FAILED,
            _of_runs("prefect.flow-run.*", {"prefect.state-type": ["FAILED", "CRASHED"]}, but="Uncertain"),
            block,
            subject="{{ flow.name }}: {{ flow_run.name }} is {{ event.resource['prefect.state-name'] }}",
            body=state,
        ),
        _alert(
            _UNCERTAIN,
            _of_runs("prefect.flow-run.Uncertain"),
            block,
            subject="{{ flow.name }}: {{ flow_run.name }} needs a decision",
            body=state,
        ),
        _alert(
            _LATE,
            _of_runs("prefect.flow-run.Late"),
            block,
            subject="{{ flow.name }}: {{ flow_run.name }} is late",
            body="It should have started at {{ flow_run.expected_start_time }}. Is there a worker, and a free slot?",
        ),
        _alert(
            _AWAY,
            EventTrigger(
                after={"prefect.flow-run.AwaitingVideo"},
                expect={"prefect.flow-run.*"},
                for_each={"prefect.resource.id"},
                match_related=_our_flows(),
                posture=Posture.Proactive,
                within=_BACK_WITHIN,
            ),
            block,
            subject="{{ flow.name }}: {{ flow_run.name }} waits for its video and does not come back",
            body=f"Nobody has started it again for {_BACK_WITHIN}. Is there a worker, and a free slot?",
        ),
        _alert(
            _VIDEOS,
            EventTrigger(
                expect={"octopusx.video.failed", "octopusx.video.uncertain"},
                match=ResourceSpecification({"prefect.resource.id": "octopusx.video.*"}),
                posture=Posture.Reactive,
                threshold=failed_videos,
                within=timedelta(hours=1),
            ),
            block,
            subject=f"{failed_videos} videos failed or are uncertain, in an hour",
            body="The last: {{ event.resource.name }} ({{ event.resource['octopusx.model'] }}) is "
            "{{ event.payload.state }}: {{ event.payload.error|truncate(1000) }}",
            link="{{ event.payload.uri }}",
        ),
    ]


async def apply(wanted: Iterable[AutomationCore]) -> dict[str, str]:
    """Create these automations, or bring those of their names up to date. Returns what was done, by name."""
    done = {}
    async with get_client() as client:
        for automation in wanted:
            found = await client.read_automations_by_name(automation.name)
            if not found:
                await client.create_automation(automation)
                done[automation.name] = "created"
                continue
            kept, *twins = found
            for twin in twins:  # two who applied at once
                await client.delete_automation(twin.id)
            if _content(kept) == _content(automation):
                done[automation.name] = "unchanged"
                continue
            # All fields are given: Prefect leaves alone what is not.
            whole = AutomationCore(**_content(automation), enabled=kept.enabled)
            await client.update_automation(kept.id, whole)
            done[automation.name] = "updated"
    return done


async def existing() -> list[Automation]:
    """Return those of our automations that there are."""
    async with get_client() as client:
        found = [await client.read_automations_by_name(name) for name in NAMES]
    return [Automation(**one.model_dump()) for some in found for one in some]


async def remove() -> list[str]:
    """Remove them all. Returns their names."""
    found = await existing()
    for automation in found:
        await automation.adelete()
    return [automation.name for automation in found]


async def notifier(block: str) -> UUID:
    """Return the id of a saved notification block, such as `slack-webhook/oncall`.

    Raises:
        ValueError: There is none, or it can't notify.
    """
    kind, _, name = block.partition("/")
    try:
        async with get_client() as client:
            found = await client.read_block_document_by_name(name, kind)
    except ObjectNotFound:
        raise ValueError(
            f"--notify: there is no block {block!r}. Save one, under Blocks in the Prefect UI, and give it as "
            "TYPE/NAME, such as slack-webhook/oncall"
        ) from None
    if found.block_schema is None or "notify" not in found.block_schema.capabilities:
        raise ValueError(f"--notify: the block {block!r} can't notify anybody; take a webhook or an email block")
    return found.id


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; 0 if it could be done."""
    parser = argparse.ArgumentParser(description="Automations for the flows of prefect-octopusx.")
    commands = parser.add_subparsers(dest="command", required=True)
    applying = commands.add_parser("apply", help="create them, or bring them up to date")
    applying.add_argument("--notify", metavar="BLOCK", help="whom alerts go to: a block, such as slack-webhook/oncall")
    applying.add_argument(
        "--dead-after",
        type=int,
        default=int(DEAD_AFTER.total_seconds()),
        metavar="SECONDS",
        help="without a heartbeat a run is dead; three times PREFECT_FLOWS_HEARTBEAT_FREQUENCY (default: %(default)s)",
    )
    applying.add_argument(
        "--failed-videos", type=int, default=5, metavar="N", help="in an hour for an alert (default: %(default)s)"
    )
    commands.add_parser("list", help="show which there are")
    commands.add_parser("remove", help="remove them")
    options = parser.parse_args(arguments)
    if options.command == "apply" and options.dead_after < _SHORTEST_DEAD_AFTER:
        parser.error(f"--dead-after: {options.dead_after} is below {_SHORTEST_DEAD_AFTER}, three short heartbeats")
    if options.command == "apply" and options.failed_videos < 1:
        parser.error(f"--failed-videos: {options.failed_videos} is below 1")
    try:
        for line in asyncio.run(_lines(options)):
            print(line)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _lines(options: argparse.Namespace) -> list[str]:
    if options.command == "list":
        return [f"{one.name}: {'on' if one.enabled else 'off'}" for one in await existing()] or ["There are none."]
    if options.command == "remove":
        return [f"{name}: removed" for name in await remove()] or ["There are none."]
    wanted = [dead_runs(timedelta(seconds=options.dead_after)), crashed_runs()]
    if options.notify:
        wanted += alerts(await notifier(options.notify), failed_videos=options.failed_videos)
    lines = [f"{name}: {what}" for name, what in (await apply(wanted)).items()]
    if not options.notify:
        lines.append("Alerts need somebody to go to: give --notify BLOCK. Those that there are were left as they are.")
    return lines


def _our_flows() -> ResourceSpecification:
    """Return what matches runs of this package's flows, deployed or not, by the flows' names."""
    found = (getattr(flows, name) for name in flows.__all__)
    names = sorted(flow.name for flow in found if isinstance(flow, Flow))
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": names})


def _of_runs(event: str, labels: dict[str, str | list[str]] | None = None, *, but: str | None = None) -> EventTrigger:
    """Return what fires for each such event of one of our runs."""
    match: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*", **(labels or {})}
    if but:
        match["prefect.state-name"] = f"!{but}"
    return EventTrigger(
        expect={event},
        match=ResourceSpecification(match),
        match_related=_our_flows(),
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
    )


def _alert(
    name: str, trigger: EventTrigger, block: UUID, *, subject: str, body: str, link: str = "{{ flow_run|ui_url }}"
) -> AutomationCore:
    notification = SendNotification(block_document_id=block, subject=subject, body=f"{body}\n\n{link}")
    return AutomationCore(name=name, trigger=trigger, actions=[notification])


def _content(automation: AutomationCore) -> dict[str, Any]:
    """Return what makes an automation what it is: all but whether a person has switched it off."""
    return AutomationCore(**automation.model_dump()).model_dump(exclude={"enabled", "owner_resource"})


if __name__ == "__main__":
    sys.exit(main())
