"""What runs tell: those that should have come back, those that a person must decide, and who notices dead ones."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.events import (
    ActionTypes,
    Automation,
    DoNothing,
    EventTrigger,
    Posture,
    Resource,
    ResourceSpecification,
)

from prefect_octopusx.doctor.checks import Case, Check
from prefect_octopusx.doctor.deployments import NAMES, OURS
from prefect_octopusx.doctor.findings import Finding, failed, ok, together, warning

__all__ = ["CHECKS"]

_HEARTBEAT = "prefect.flow-run.heartbeat"
_AWAY = "prefect.flow-run.AwaitingVideo"
_ROLE = "prefect.resource.role"
_OVERDUE = timedelta(minutes=15)
_LATELY = timedelta(days=7)
_MOST = 200
_ENDS_RUNS = {"change-flow-run-state", "cancel-flow-run", "delete-flow-run"}


async def _overdue(case: Case) -> Finding:
    """Look for runs that nobody brought back; Prefect itself calls none of them late."""
    before = datetime.fromtimestamp(case.clock(), UTC) - _OVERDUE
    runs = await _runs("AwaitingVideo", next_scheduled_start_time={"before_": before})
    if not runs:
        return ok("no run waits for longer than it should")
    return failed(
        f"{_many(runs)} in AwaitingVideo should have looked again by now: {_some(runs)}",
        "See that a worker takes them (the check `workers`). Meanwhile collect_videos stores what is ready",
    )


async def _uncertain(case: Case) -> Finding:
    after = datetime.fromtimestamp(case.clock(), UTC) - _LATELY
    runs = await _runs("Uncertain", end_time={"after_": after})
    if not runs:
        return ok("none in the last 7 days")
    return warning(
        f"{_many(runs)} of the last 7 days ended as Uncertain, perhaps billed: {_some(runs)}",
        "Decide about each, if nobody has: docs/what-happens-when.md, Uncertain",
    )


async def _runs(state: str, **filters: object) -> list[FlowRun]:
    wanted = FlowRunFilter.model_validate({"state": {"name": {"any_": [state]}}, **filters})
    async with get_client() as client:
        return await client.read_flow_runs(flow_filter=OURS, flow_run_filter=wanted, limit=_MOST)


async def _automation(case: Case) -> Finding:
    """Look for what acts on runs of ours that send no heartbeat any more, and whether it spares those that left."""
    del case
    async with get_client() as client:
        automations = await client.read_automations(limit=_MOST)
        ids = {flow.name: flow.id for flow in await client.read_flows(flow_filter=OURS)}
    ours = [
        Resource({"prefect.resource.id": f"prefect.flow.{ids.get(name)}", _ROLE: "flow", "prefect.resource.name": name})
        for name in NAMES
    ]
    watching = [
        (found, trigger)
        for found in automations
        if any(not isinstance(action, DoNothing) for action in _actions(found))
        for trigger in _watches(found)
        if _is_for(trigger, ours)
    ]
    enabled = [(found, trigger) for found, trigger in watching if found.enabled]
    if not enabled:
        off = f" ({watching[0][0].name} is switched off)" if watching else ""
        return warning(
            f"no automation notices dead runs: a killed worker's runs stay Running for ever{off}",
            f"prefect automation resume '{watching[0][0].name}'"
            if watching
            else "As docs/observing.md has it:\npython deployments/automations.py apply",
        )
    return together(map(_spares, *zip(*enabled, strict=True)), well=f"{enabled[0][0].name} notices dead runs")


def _is_for(trigger: EventTrigger, flows: list[Resource]) -> bool:
    """Tell whether it is for one of these flows: it is, unless it is limited to others by their names or ids."""
    related = trigger.match_related if isinstance(trigger.match_related, list) else [trigger.match_related]
    return all(
        wanted.includes(flows)
        for wanted in related
        if isinstance(wanted, ResourceSpecification) and wanted.get(_ROLE) == ["flow"]
    )


def _actions(automation: Automation) -> list[ActionTypes]:
    return [*automation.actions, *automation.actions_on_trigger, *automation.actions_on_resolve]


def _spares(automation: Automation, trigger: EventTrigger) -> Finding:
    if any(fnmatchcase(_AWAY, expected) for expected in trigger.expect):
        return ok(automation.name)
    mend = f"Add {_AWAY} to its expect (docs/waiting.md):\nprefect automation update --id {automation.id} --from-file …"
    if any(action.type in _ENDS_RUNS for action in _actions(automation)):
        return failed(f"the automation {automation.name} ends runs that are away until their next look", mend)
    return warning(f"the automation {automation.name} takes runs for dead that are away until their next look", mend)


def _watches(automation: Automation) -> Iterator[EventTrigger]:
    """Give the triggers that fire when a run's heartbeats stop."""
    triggers = [automation.trigger]
    for trigger in triggers:  # grows meanwhile
        triggers += getattr(trigger, "triggers", [])
        if (
            isinstance(trigger, EventTrigger)
            and trigger.posture is Posture.Proactive
            and any(fnmatchcase(_HEARTBEAT, event) for event in trigger.after)
        ):
            yield trigger


def _many(runs: list[FlowRun]) -> str:
    return f"{'at least ' if len(runs) == _MOST else ''}{len(runs)} run{'s' if len(runs) > 1 else ''}"


def _some(runs: list[FlowRun]) -> str:
    return ", ".join(f"{run.name} ({run.id})" for run in runs[:3]) + (", …" if len(runs) > 3 else "")


CHECKS = (
    Check("prefect", "automation", _automation, needs=("prefect-api",)),
    Check("prefect", "runs-overdue", _overdue, needs=("prefect-api",)),
    Check("prefect", "runs-uncertain", _uncertain, needs=("prefect-api",)),
)
