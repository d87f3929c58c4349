"""Limits, deployments, who runs them, and what their runs tell."""

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import get_client
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events import (
    Action,
    ChangeFlowRunState,
    DoNothing,
    EventTrigger,
    PauseWorkPool,
    Posture,
    ResourceSpecification,
)
from prefect.events.schemas.automations import AutomationCore
from prefect.states import Scheduled, StateType

from deployments.automations import crashed_runs, dead_runs
from prefect_octopusx.api import ViduRequest
from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials
from prefect_octopusx.doctor import Verdict, diagnose
from prefect_octopusx.flows import collect_videos, generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from tests.doctor.conftest import Look

DAILY = IntervalSchedule(interval=timedelta(days=1))


async def deploy(name: str = "night", flow: Any = generate_video, **options: Any) -> UUID:  # noqa: ANN401 - Prefect's
    async with get_client() as client:
        flow_id = await client.create_flow(flow)
        return await client.create_deployment(flow_id, name=name, **options)


async def pool(name: str, *, worker: bool) -> str:
    async with get_client() as client:
        unique = f"{name}-{time.monotonic_ns()}"
        await client.create_work_pool(WorkPoolCreate(name=unique, type="process"))
        if worker:
            await client.send_worker_heartbeat(unique, "worker", heartbeat_interval_seconds=30)
    return unique


async def limit(name: str, **fields: Any) -> None:  # noqa: ANN401
    async with get_client() as client:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, **fields))


@pytest.mark.parametrize("name", ["octopusx-creates", "octopusx-requests"])
async def test_limits_are_optional(look: Look, name: str) -> None:
    found = await look(f"limit-{name}")
    assert found.verdict is Verdict.OK
    assert f"prefect gcl create {name}" in found.mend


@pytest.mark.parametrize("name", ["octopusx-creates", "octopusx-requests"])
async def test_a_limit_of_0_fails(look: Look, name: str) -> None:
    await limit(name, limit=0, slot_decay_per_second=0.5)
    found = await look(f"limit-{name}")
    assert (found.verdict, "is 0, so no create is sent" in found.found) == (Verdict.FAILED, True)
    assert f"prefect gcl update {name} --limit 1" in found.mend


async def test_a_limit_of_creates_that_is_no_rate_fails(look: Look) -> None:
    await limit("octopusx-creates", limit=1)
    found = await look("limit-octopusx-creates")
    assert (found.verdict, "--slot-decay-per-second" in found.mend) == (Verdict.FAILED, True)


async def test_limits_as_the_pages_have_them_pass(look: Look) -> None:
    await limit("octopusx-creates", limit=1, slot_decay_per_second=0.5)
    await limit("octopusx-requests", limit=10)
    assert (await look("limit-octopusx-creates")).found == "1 at once, and 0.5 a second"
    assert (await look("limit-octopusx-requests")).found == "0 of 10 slots are taken"


async def test_slots_that_are_all_taken_warn(look: Look) -> None:
    await limit("octopusx-requests", limit=2, active_slots=2)
    found = await look("limit-octopusx-requests")
    assert (found.verdict, "--active-slots 0" in found.mend) == (Verdict.WARNING, True)


async def test_a_limit_that_is_switched_off_is_no_fault(look: Look) -> None:
    await limit("octopusx-requests", limit=0, active=False)
    assert (await look("limit-octopusx-requests")).found == "it is switched off"


async def test_without_deployments_there_is_nothing_to_look_at(look: Look) -> None:
    assert (await look("workers")).found == "no flow of this package is deployed"


async def test_a_good_deployment_passes(look: Look) -> None:
    schedules = [DeploymentScheduleCreate(schedule=DAILY, active=True)]
    await deploy(work_pool_name=await pool("busy", worker=True), schedules=schedules, concurrency_limit=1)
    diagnosis = await diagnose(only=["deployments", "schedules", "deployment-limits", "workers"])
    assert diagnosis.counts[Verdict.OK] == len(diagnosis.checks)
    assert diagnosis.of("deployments").found == "1 deployed: generate-video/night"
    del look


async def test_a_paused_deployment_warns(look: Look) -> None:
    await deploy(paused=True, schedules=[DeploymentScheduleCreate(schedule=DAILY, active=True)])
    found = await look("deployments")
    assert (found.verdict, "generate-video/night is paused" in found.found) == (Verdict.WARNING, True)


async def test_schedules_that_are_off_as_they_come_are_no_fault(look: Look) -> None:
    await deploy(schedules=[DeploymentScheduleCreate(schedule=DAILY, active=False)])
    found = await look("schedules")
    assert (found.verdict, found.found) == (Verdict.OK, "all 1 are off: nothing starts by itself")
    assert "`active: true`" in found.mend
    await deploy("day", schedules=[DeploymentScheduleCreate(schedule=DAILY, active=True)])
    found = await look("schedules")
    assert (found.found, found.mend) == ("1 of 2 active; none of generate-video/night", "")


async def test_a_deployment_that_cancels_what_comes_back_warns(look: Look) -> None:
    strategy = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    await deploy(flow=collect_videos, concurrency_limit=1, concurrency_options=strategy)  # which never leaves
    assert (await look("deployment-limits")).verdict is Verdict.OK
    await deploy(concurrency_limit=1, concurrency_options=strategy)
    found = await look("deployment-limits")
    assert (found.verdict, "CANCEL_NEW" in found.found, "ENQUEUE" in found.mend) == (Verdict.WARNING, True, True)


async def test_a_deployment_with_a_limit_of_0_fails(look: Look) -> None:
    deployment = await deploy(concurrency_limit=1)
    async with get_client() as client:
        await client.update_global_concurrency_limit(f"deployment:{deployment}", GlobalConcurrencyLimitUpdate(limit=0))
    found = await look("deployment-limits")
    assert (found.verdict, "generate-video/night has a concurrency limit of 0" in found.found) == (Verdict.FAILED, True)


async def test_a_deployment_that_nobody_serves_fails(look: Look) -> None:
    await deploy()
    found = await look("workers")
    assert (found.verdict, found.found) == (Verdict.FAILED, "nothing serves generate-video/night")


async def test_a_pool_without_workers_fails(look: Look) -> None:
    name = await pool("lonely", worker=False)
    await deploy(work_pool_name=name)
    found = await look("workers")
    assert (found.verdict, "none was ever seen" in found.found) == (Verdict.FAILED, True)
    assert found.mend == f"prefect worker start --pool {name}"


async def test_a_paused_pool_fails(look: Look) -> None:
    name = await pool("paused", worker=True)
    await deploy(work_pool_name=name)
    async with get_client() as client:
        await client.update_work_pool(name, WorkPoolUpdate(is_paused=True))
    found = await look("workers")
    assert (found.verdict, found.mend) == (Verdict.FAILED, f"prefect work-pool resume {name}")


async def test_a_pool_that_is_gone_leaves_its_deployments_to_nobody(look: Look) -> None:
    name = await pool("gone", worker=True)
    await deploy(work_pool_name=name)
    async with get_client() as client:
        await client.delete_work_pool(name)
    found = await look("workers")
    assert (found.verdict, "generate-video/night" in found.found) == (Verdict.FAILED, True)


@pytest.mark.parametrize(
    ("change", "told", "mend"),
    [
        ({"is_paused": True}, "is paused", "prefect work-queue resume urgent --pool"),
        ({"concurrency_limit": 0}, "has a limit of 0", "prefect work-queue set-concurrency-limit urgent 5 --pool"),
    ],
)
async def test_a_queue_that_lets_nothing_through_fails(
    look: Look, change: dict[str, Any], told: str, mend: str
) -> None:
    name = await pool("busy", worker=True)
    async with get_client() as client:
        queue = await client.create_work_queue("urgent", work_pool_name=name)
        await deploy(work_pool_name=name, work_queue_name="urgent")
        assert (await look("workers")).verdict is Verdict.OK
        await client.update_work_queue(queue.id, **change)
    found = await look("workers")
    assert (found.verdict, found.mend) == (Verdict.FAILED, f"{mend} {name}")
    assert found.found == f"the work queue urgent of generate-video/night {told}"


async def test_what_is_served_needs_no_worker_for_its_pool(look: Look) -> None:
    """As by `serve`, of a deployment that had a pool before: whoever asks for its runs serves it."""
    deployment = await deploy(work_pool_name=await pool("left", worker=False))
    async with get_client() as client:
        await client.get_scheduled_flow_runs_for_deployments([deployment])
        async with asyncio.timeout(20):  # the server notes it a moment later
            while (await client.read_deployment(deployment)).last_polled is None:
                await asyncio.sleep(0.05)
    assert (await look("workers")).verdict is Verdict.OK
    assert (await look("workers", later=600)).verdict is Verdict.FAILED


async def automation(
    *expect: str, action: Action | None = None, enabled: bool = True, flows: dict[str, Any] | None = None
) -> None:
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.heartbeat", "prefect.flow-run.Completed", *expect},
        for_each={"prefect.resource.id"},
        match_related=ResourceSpecification({"prefect.resource.role": "flow", **flows} if flows else {}),
        posture=Posture.Proactive,
        within=timedelta(seconds=90),
    )
    action = action or ChangeFlowRunState(state=StateType.CRASHED)
    async with get_client() as client:
        await client.create_automation(
            AutomationCore(name="zombies", trigger=trigger, actions=[action], enabled=enabled)
        )


async def test_without_an_automation_dead_runs_are_not_noticed(look: Look) -> None:
    found = await look("automation")
    assert (found.verdict, found.mend.splitlines()[-1]) == (
        Verdict.WARNING,
        "python deployments/automations.py apply",
    )


async def test_our_own_automations_pass(look: Look) -> None:
    async with get_client() as client:
        for wanted in (dead_runs(), crashed_runs()):
            await client.create_automation(wanted)
    assert (await look("automation")).found == "octopusx: dead runs are crashed notices dead runs"


async def test_an_automation_for_other_flows_is_neither_blamed_nor_trusted(look: Look) -> None:
    await automation(flows={"prefect.resource.name": "etl"})
    await automation(flows={"prefect.resource.id": "prefect.flow.0f2b7a4e-5d0c-4b0e-9a3e-2f1f0c6d7e8f"})
    found = await look("automation")
    assert (found.verdict, "no automation notices dead runs" in found.found) == (Verdict.WARNING, True)


async def test_an_automation_for_one_of_our_flows_is_looked_at(look: Look) -> None:
    async with get_client() as client:
        flow_id = await client.create_flow(generate_video)
    await automation(flows={"prefect.resource.id": [f"prefect.flow.{flow_id}"]})
    assert (await look("automation")).verdict is Verdict.FAILED


async def test_an_automation_that_does_nothing_notices_nothing(look: Look) -> None:
    await automation("prefect.flow-run.AwaitingVideo", action=DoNothing())
    assert "no automation notices dead runs" in (await look("automation")).found


@pytest.mark.parametrize("expected", ["prefect.flow-run.AwaitingVideo", "prefect.flow-run.*"])
async def test_an_automation_that_knows_runs_that_are_away_passes(look: Look, expected: str) -> None:
    await automation(expected)
    assert (await look("automation")).found == "zombies notices dead runs"


async def test_an_automation_that_crashes_runs_that_are_away_fails(look: Look) -> None:
    await automation()
    found = await look("automation")
    assert (found.verdict, "ends runs that are away" in found.found) == (Verdict.FAILED, True)
    assert "Add prefect.flow-run.AwaitingVideo to its expect" in found.mend


async def test_an_automation_that_only_tells_of_them_warns(look: Look) -> None:
    await automation(action=PauseWorkPool(work_pool_id=uuid4()))
    found = await look("automation")
    assert (found.verdict, "takes runs for dead that are away" in found.found) == (Verdict.WARNING, True)


async def test_an_automation_that_is_switched_off_warns(look: Look) -> None:
    await automation("prefect.flow-run.AwaitingVideo", enabled=False)
    found = await look("automation")
    assert (found.verdict, found.mend) == (Verdict.WARNING, "prefect automation resume 'zombies'")


async def test_a_run_that_nobody_brought_back_fails(look: Look) -> None:
    deployment = await deploy()
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(deployment, parameters={"request": {}})
        await client.set_flow_run_state(run.id, Scheduled(name="AwaitingVideo"), force=True)
    assert (await look("runs-overdue")).verdict is Verdict.OK
    found = await look("runs-overdue", later=3600)
    assert (found.verdict, f"1 run in AwaitingVideo should have looked again by now: {run.name}" in found.found) == (
        Verdict.FAILED,
        True,
    )


@pytest.mark.usefixtures("retries_at_once")
async def test_a_create_without_a_certain_answer_is_told_for_a_week(
    look: Look,
    surroundings: Sandbox,
    credentials: OctopusXCredentials,
    tmp_path: Any,  # noqa: ANN401 - a path
) -> None:
    surroundings.add_fault(Fault("create_lost_reply"))
    place = LocalDestination(folder=tmp_path)
    cat = ViduRequest(model="viduq3-pro", prompt="a cat")
    await generate_video(cat, name="cat", destination=place, credentials=credentials, return_state=True)
    found = await look("runs-uncertain")
    assert (found.verdict, "1 run of the last 7 days ended as Uncertain" in found.found) == (Verdict.WARNING, True)
    assert (await look("runs-uncertain", later=8 * 86_400)).verdict is Verdict.OK
