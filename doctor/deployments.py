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

__all__ = ["CHECKS", "OURS"]

OURS = FlowFilter(
    name=FlowFilterName(any_=[found.name for name in flows.__all__ if isinstance(found := getattr(flows, name), Flow)])
)
"""Flows of this package, by their names."""
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
    findings = []
    active = 0
    for name, deployment in case.deployments:
        on = [schedule for schedule in deployment.schedules if schedule.active]
        active += len(on)
        if deployment.schedules and not on:
            findings.append(
                warning(
                    f"{name} has only schedules that are paused, so it starts by hand only",
                    f"prefect deployment schedule resume {name} {deployment.schedules[0].id}",
                )
            )
    return together(findings, well=f"{active} active" if active else "there are none: all start by hand or by others")


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
        if limit is not None and cancels and not name.startswith(f"{flows.collect_videos.name}/"):  # never away
            findings.append(
                warning(
                    f"{name} cancels runs that find no slot (CANCEL_NEW): wait=reschedule is refused",
                    f"Deploy {name} with the collision strategy ENQUEUE",
                )
            )
    return together(findings, well=f"{limited} limited" if limited else "there are none")


async def _workers(case: Case) -> Finding:
    now = datetime.fromtimestamp(case.clock(), UTC)
    pools = defaultdict(list)
    findings = []
    for name, deployment in case.deployments:
        if deployment.work_pool_name:
            pools[deployment.work_pool_name].append(name)
        elif deployment.last_polled is None or deployment.last_polled < now - _SEEN_LATELY:
            findings.append(failed(f"nothing serves {name}", f"Start what serves {name}, or give it a work pool"))
    findings += [await _pool(pool, names) for pool, names in pools.items()]
    return together(findings, well="all deployments are served" if not pools else f"at work: {_some(list(pools))}")


async def _pool(name: str, users: list[str]) -> Finding:
    """Say whether a work pool has somebody who takes its runs."""
    async with get_client() as client:
        try:
            pool = await client.read_work_pool(name)
        except ObjectNotFound:
            return failed(
                f"the work pool {name} of {_some(users)} is gone", f"prefect work-pool create {name} --type …"
            )
        if pool.is_paused:
            return failed(f"the work pool {name} of {_some(users)} is paused", f"prefect work-pool resume {name}")
        if pool.concurrency_limit == 0:
            return failed(
                f"the work pool {name} of {_some(users)} has a limit of 0",
                f"prefect work-pool set-concurrency-limit {name} 5",
            )
        if pool.type.endswith((":push", ":managed")):
            return ok(f"{name} needs no worker")
        workers = await client.read_workers_for_work_pool(name)
    if not any(worker.status is WorkerStatus.ONLINE for worker in workers):
        seen = [worker.last_heartbeat_time for worker in workers if worker.last_heartbeat_time]
        last = f"last seen {max(seen):%Y-%m-%d %H:%M} UTC" if seen else "none was ever seen"
        return failed(
            f"no worker takes runs of the work pool {name} of {_some(users)} ({last})",
            f"prefect worker start --pool {name}",
        )
    return ok(name)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


CHECKS = (
    Check("prefect", "deployments", _deployments, needs=("prefect-api",)),
    Check("prefect", "schedules", _schedules, needs=("deployments",)),
    Check("prefect", "deployment-limits", _limits, needs=("deployments",)),
    Check("prefect", "workers", _workers, needs=("deployments",)),
)
