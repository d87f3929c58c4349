"""The deployments of prefect.yaml without a work pool: one process that takes their runs and starts them here.

`python deployments/serve.py` serves all, `python deployments/serve.py calendar collector` some. It needs
`PREFECT_API_URL`, and the key and the bucket's credentials in its environment or in saved blocks, as a worker does.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import prefect
import yaml
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import EntrypointType, load_flow_from_entrypoint
from prefect.schedules import Schedule

__all__ = ["main", "served"]

FILE = Path(__file__).with_name("prefect.yaml")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve, until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve the deployments of prefect.yaml without a work pool.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a deployment's name; all if left out")
    parser.add_argument("--prefect-file", type=Path, default=FILE, help="another file than the one beside this script")
    parser.add_argument(
        "--limit", type=int, help="runs at once, each a process of 130 MB; Prefect's own, 5, if left out"
    )
    given = parser.parse_args(arguments)
    try:
        deployments = served(given.prefect_file, given.names)
    except ValueError as error:
        sys.exit(str(error))
    # While nobody serves them they are paused, so that no runs pile up which all start, and are paid for, afterwards.
    prefect.serve(*deployments, pause_on_shutdown=True, limit=given.limit)


def served(file: Path = FILE, names: Sequence[str] = ()) -> list[RunnerDeployment]:
    """Read deployments as `prefect deploy` does, without what only work pools have.

    Args:
        file: A prefect.yaml.
        names: Which ones; all if empty.

    Raises:
        ValueError: There is none of a name, or the file has a key that means nothing here.
    """
    content = yaml.safe_load(file.read_text("utf-8"))  # as Prefect reads it: YAML 1.1, where 16:9 needs quotes
    _refuse_unknown(content, _FILE, str(file))
    found = content["deployments"]
    known = [one.get("name") for one in found]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{file} has no deployment {', '.join(unknown)}. It has: {', '.join(known)}")
    return [_deployment(one, f"{file}: {one['name']}") for one in found if not names or one["name"] in names]


_FILE = {"definitions", "pull", "deployments"}
_DEPLOYMENT = {"name", "description", "entrypoint", "tags", "parameters", "schedules", "concurrency_limit"}
_FOR_WORK_POOLS = {"work_pool"}
_SCHEDULE = {"cron", "rrule", "interval", "timezone", "anchor_date", "day_or", "active", "parameters", "slug"}


def _deployment(given: Mapping[str, Any], where: str) -> RunnerDeployment:
    _refuse_unknown(given, _DEPLOYMENT | _FOR_WORK_POOLS, where)
    limit = given.get("concurrency_limit")
    if isinstance(limit, dict):
        _refuse_unknown(limit, set(ConcurrencyLimitConfig.model_fields), f"{where}, concurrency_limit")
    flow: prefect.Flow[..., Any] = load_flow_from_entrypoint(given["entrypoint"])
    return RunnerDeployment.from_flow(
        flow,
        name=given["name"],
        description=given.get("description"),
        tags=given.get("tags"),
        parameters=given.get("parameters"),
        schedules=[_schedule(one, f"{where}, a schedule") for one in given.get("schedules") or []],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if isinstance(limit, dict) else limit,
        paused=False,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _schedule(given: Mapping[str, Any], where: str) -> Schedule:
    _refuse_unknown(given, _SCHEDULE, where)
    options = dict(given)
    if "interval" in options:
        options["interval"] = timedelta(seconds=options["interval"])
    if isinstance(options.get("anchor_date"), str):
        options["anchor_date"] = datetime.fromisoformat(options["anchor_date"])
    return Schedule(**options)


def _refuse_unknown(given: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse what Prefect would silently ignore: `shedules:` would be a deployment that never runs."""
    if unknown := [key for key in given if key not in known]:
        raise ValueError(
            f"{where}: {', '.join(map(str, unknown))} means nothing here. Known: {', '.join(sorted(known))}"
        )


if __name__ == "__main__":
    main()
