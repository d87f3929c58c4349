"""What a prefect.yaml has that Prefect would not read. Prefect itself ignores it without a word."""

from collections.abc import Iterable, Mapping
from typing import Any

# Private, and may move with any release; there is no public model of the file.
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from pydantic import BaseModel

__all__ = ["unread"]


def unread(content: Mapping[str, Any]) -> list[str]:
    """Return the places of keys that Prefect's models of the file and its parts don't have."""
    found = list(_unknown(content, PrefectYamlModel, besides={"definitions"}))  # where anchors live
    for deployment in content.get("deployments", []):
        where = f"{deployment.get('name')}."
        found += _unknown(deployment, DeploymentConfig, where)
        found += _unknown(deployment.get("work_pool", {}), WorkPoolConfig, f"{where}work_pool.")
        if isinstance(limit := deployment.get("concurrency_limit"), Mapping):
            found += _unknown(limit, ConcurrencyLimitSpec, f"{where}concurrency_limit.")
        for schedule in deployment.get("schedules", []):
            found += _unknown(schedule, RawScheduleConfig, f"{where}schedules.")
    return found


def _unknown(
    given: Mapping[str, Any], model: type[BaseModel], where: str = "", *, besides: Iterable[str] = ()
) -> Iterable[str]:
    known = {field.alias or name for name, field in model.model_fields.items()} | set(besides)
    return (f"{where}{key}" for key in given if key not in known)
