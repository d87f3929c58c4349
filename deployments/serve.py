"""The deployments of prefect.yaml without a work pool: one process that takes their runs and starts them here.

`python deployments/serve.py` serves all, `python deployments/serve.py calendar collector` some. It needs
`PREFECT_API_URL`, and the key and the bucket's credentials in its environment or in saved blocks, as a worker does.
"""

import argparse
import contextlib
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import prefect
import yaml
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound, PrefectException
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
        _refuse_those_in_work_pools(deployments)
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
        ValueError: The file can't be read or has no deployments, there is none of a name, its flow can't be loaded, or
            the file has a key that means nothing here.
    """
    found = _read(file)
    known = [str(one.get("name")) for one in found]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{file} has no deployment {', '.join(unknown)}. It has: {', '.join(known)}")
    deployments, faults = [], []
    for name, one in zip(known, found, strict=True):
        if names and name not in names:
            continue
        try:
            deployments.append(_deployment(one))
        except (TypeError, ValueError) as error:
            faults.append(f"{file}: {name}: {error}")
    if faults:
        raise ValueError("\n".join(faults))
    return deployments


def _refuse_those_in_work_pools(deployments: Sequence[RunnerDeployment]) -> None:
    """Refuse what is in a work pool.

    Prefect would leave it there without its job variables, and offer its runs to workers and to this process alike.
    """
    faults = []
    try:
        with prefect.get_client(sync_client=True) as client:
            for name in (one.full_name for one in deployments):
                with contextlib.suppress(ObjectNotFound):
                    if pool := client.read_deployment_by_name(name).work_pool_name:
                        faults.append(
                            f"{name} is in the work pool {pool}, whose workers would take its runs as well. Delete it "
                            f"there first, with the runs that wait: prefect deployment delete {name}"
                        )
    except (RuntimeError, httpx.HTTPError) as error:
        raise ValueError(f"Prefect's API can't be asked: {error}. Is PREFECT_API_URL right?") from error
    if faults:
        raise ValueError("\n".join(faults))


_FILE = {"definitions", "deployments"}
_FOR_DEPLOY = {"name", "prefect-version", "build", "push", "pull"}  # top keys that `prefect init` writes
_DEPLOYMENT = {"name", "description", "entrypoint", "tags", "parameters", "schedules", "concurrency_limit"}
_WORK_POOL = {"name", "work_queue_name", "job_variables"}
_SCHEDULE = {"cron", "rrule", "interval", "timezone", "anchor_date", "day_or", "active", "parameters", "slug"}


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        content = yaml.safe_load(file.read_bytes())  # as Prefect reads it: YAML 1.1, where 16:9 needs quotes
    except OSError as error:
        raise ValueError(f"{file} can't be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no YAML: {error}") from None
    if content is not None:
        _refuse_unknown(content, _FILE | _FOR_DEPLOY, f"{file}: ")
    found = content.get("deployments") if content else None
    if not found or not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{file} has no deployments. They are a list below `deployments:`, each with keys and values")
    return found


def _deployment(given: Mapping[str, Any]) -> RunnerDeployment:
    _refuse_unknown(given, _DEPLOYMENT | {"work_pool"})
    _refuse_unknown(given.get("work_pool") or {}, _WORK_POOL, "work_pool: ")  # read by `prefect deploy` alone
    if missing := [key for key in ("name", "entrypoint") if not given.get(key)]:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    limit = given.get("concurrency_limit")
    if isinstance(limit, dict):
        _refuse_unknown(limit, set(ConcurrencyLimitConfig.model_fields), "concurrency_limit: ")
    return RunnerDeployment.from_flow(
        _flow(given["entrypoint"]),
        name=given["name"],
        description=given.get("description"),
        tags=given.get("tags"),
        parameters=given.get("parameters"),
        schedules=[_schedule(one) for one in given.get("schedules") or []],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if isinstance(limit, dict) else limit,
        paused=False,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _flow(entrypoint: str) -> prefect.Flow[..., Any]:
    try:
        found: prefect.Flow[..., Any] = load_flow_from_entrypoint(entrypoint)
    except (ImportError, OSError, PrefectException, ValueError) as error:
        raise ValueError(f"entrypoint: {entrypoint} is no flow: {error}") from error
    return found


def _schedule(given: Mapping[str, Any]) -> Schedule:
    _refuse_unknown(given, _SCHEDULE, "schedules: ")
    options = dict(given)
    if "interval" in options:
        options["interval"] = timedelta(seconds=options["interval"])
    if isinstance(options.get("anchor_date"), str):
        options["anchor_date"] = datetime.fromisoformat(options["anchor_date"])
    return Schedule(**options)


def _refuse_unknown(given: Mapping[str, Any], known: set[str], where: str = "") -> None:
    """Refuse what Prefect would silently ignore: `shedules:` would be a deployment that never runs."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}{given!r} is there, where keys and values should be")  # noqa: TRY004 - told as all faults of the file
    if unknown := [str(key) for key in given if key not in known]:
        raise ValueError(f"{where}{', '.join(unknown)} means nothing here. Known: {', '.join(sorted(known))}")


if __name__ == "__main__":
    main()
