"""Deployments of our flows: paused or not, their schedules, their limits, and who runs them."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from prefect import Flow, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, WorkerStatus
from prefect.exceptions import ObjectNotFound

from prefect_octopusx import flows
from prefect_octopusx.doctor.checks import Case, Check, Deployed
from prefect_octopusx.doctor.findings import Finding, failed, ok, skipped, together, warning

__all__ = ["CHECKS", "NAMES", "OURS"]

_FLOWS = [found for name in flows.__all__ if isinstance(found := getattr(flows, name), Flow)]
NAMES = [flow.name for flow in _FLOWS]
"""Of the flows of this package."""
OURS = FlowFilter(name=FlowFilterName(any_=NAMES))
_MAY_BE_AWAY = {flow.name for flow in _FLOWS if "wait" in flow.parameters.properties}
_PAGE = 200
_SEEN_LATELY = timedelta(minutes=5)


async def _deployments(case: Case) -> Finding:
    async with get_client() as client:
        names = {flow.id: flow.name for flow in await client.read_flows(flow_filter=OURS)}
        while len(page := await client.read_deployments(flow_filter=OURS, limit=_PAGE, offset=len(case.deployments))):
            case.deployments += [Deployed(f"{names.get(found.flow_id)}/{found.name}", found) for found in page]
    if not case.deployments:
        return skipped("no flow of this package is deployed")
    paused = [
        warning(f"{name} is paused: no schedule of it starts a run", f"Resume it in the UI, or deploy {name} again")
        for name, deployment in case.deployments
        if deployment.paused and deployment.schedules
    ]
    return together(paused, well=f"{len(case.deployments)} deployed: {_some([name for name, _ in case.deployments])}")


async def _schedules(case: Case) -> Finding:
    """Count; a schedule that is off is as the files in `deployments/` have it, and no fault."""
    schedules = [schedule for _, deployment in case.deployments for schedule in deployment.schedules]
    active = sum(schedule.active for schedule in schedules)
    if not schedules:
        return ok("there are none: all start by hand or by others")
    if not active:
        mend = "Set `active: true` in the file that they are deployed from, and deploy again"
        return ok(f"all {len(schedules)} are off: nothing starts by itself", mend)
    off = [
        name for name, found in case.deployments if found.schedules and not any(one.active for one in found.schedules)
    ]
    return ok(f"{active} of {len(schedules)} active" + (f"; none of {_some(off)}" if off else ""))


async def _limits(case: Case) -> Finding:
    findings = []
    limited = 0
    for name, deployment in case.deployments:
        limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
        limited += limit is not None
        if limit is not None and limit.limit <= 0:
            findings.append(
                failed(f"{name} has a concurrency limit of 0: no run of it starts", f"Deploy {name} with a higher one")
            )
        cancels = options is not None and options.collision_strategy is ConcurrencyLimitStrategy.CANCEL_NEW
        if limit is not None and cancels and name.partition("/")[0] in _MAY_BE_AWAY:
            findings.append(
                warning(
                    f"{name} cancels runs that find no slot (CANCEL_NEW): wait=reschedule is refused",
                    f"Deploy {name} with the collision strategy ENQUEUE",
                )
            )
    return together(findings, well=f"{limited} limited" if limited else "there are none")


async def _workers(case: Case) -> Finding:
    since = datetime.fromtimestamp(case.clock(), UTC) - _SEEN_LATELY
    pools: dict[str, list[Deployed]] = defaultdict(list)
    findings = []
    for deployed in case.deployments:
        if deployed.deployment.work_pool_name:
            pools[deployed.deployment.work_pool_name].append(deployed)
        elif not _is_polled(deployed, since):
            name = deployed.name
            findings.append(failed(f"nothing serves {name}", f"Start what serves {name}, or give it a work pool"))
    for pool, users in pools.items():
        findings += [await _pool(pool, users, since), *await _queues(pool, users)]
    return together(findings, well="all deployments are served" if not pools else f"at work: {_some(list(pools))}")


def _is_polled(deployed: Deployed, since: datetime) -> bool:
    """Tell whether somebody has asked for its runs lately: a worker, or what serves it, with a work pool or without."""
    polled = deployed.deployment.last_polled
    return polled is not None and polled >= since


async def _pool(name: str, users: list[Deployed], since: datetime) -> Finding:
    """Say whether a work pool has somebody who takes its runs."""
    whose = f"the work pool {name} of {_some([user.name for user in users])}"
    async with get_client() as client:
        try:
            pool = await client.read_work_pool(name)
        except ObjectNotFound:
            return failed(f"{whose} is gone", f"prefect work-pool create {name} --type …")
        if pool.is_paused:
            return failed(f"{whose} is paused", f"prefect work-pool resume {name}")
        if pool.concurrency_limit == 0:
            return failed(f"{whose} has a limit of 0", f"prefect work-pool set-concurrency-limit {name} 5")
        if pool.type.endswith((":push", ":managed")):
            return ok(f"{name} needs no worker")
        workers = await client.read_workers_for_work_pool(name)
    online = any(worker.status is WorkerStatus.ONLINE for worker in workers)
    if online or all(_is_polled(user, since) for user in users):  # workers ask for runs of a paused pool, too
        return ok(name)
    seen = [worker.last_heartbeat_time for worker in workers if worker.last_heartbeat_time]
    last = f"last seen {max(seen):%Y-%m-%d %H:%M} UTC" if seen else "none was ever seen"
    return failed(f"no worker takes runs of {whose} ({last})", f"prefect worker start --pool {name}")


async def _queues(pool: str, users: list[Deployed]) -> list[Finding]:
    """Look at the queues of a pool that its deployments use."""
    queues = defaultdict(list)
    for name, deployment in users:
        if deployment.work_queue_id:
            queues[deployment.work_queue_id].append(name)
    findings = []
    async with get_client() as client:
        for queue_id, names in queues.items():
            try:
                queue = await client.read_work_queue(queue_id)
            except ObjectNotFound:
                continue  # removed just now
            whose = f"the work queue {queue.name} of {_some(names)}"
            if queue.is_paused:
                findings.append(failed(f"{whose} is paused", f"prefect work-queue resume {queue.name} --pool {pool}"))
            elif queue.concurrency_limit == 0:
                mend = f"prefect work-queue set-concurrency-limit {queue.name} 5 --pool {pool}"
                findings.append(failed(f"{whose} has a limit of 0", mend))
    return findings


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


CHECKS = (
    Check("prefect", "deployments", _deployments, needs=("prefect-api",)),
    Check("prefect", "schedules", _schedules, needs=("deployments",)),
    Check("prefect", "deployment-limits", _limits, needs=("deployments",)),
    Check("prefect", "workers", _workers, needs=("deployments",)),
)
