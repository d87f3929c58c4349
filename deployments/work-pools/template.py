"""A work pool's base job template: Prefect's own for the type, with the values of TYPE.yaml beside this script.

`python deployments/work-pools/template.py kubernetes > template.json`, then
`prefect work-pool create videos --type kubernetes --base-job-template template.json`.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

__all__ = ["filled", "main", "values"]

TYPES = ("process", "docker", "kubernetes", "ecs")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the template as JSON. Prefect's API is asked for the type's own one."""
    parser = argparse.ArgumentParser(
        description="Print a base job template: Prefect's own with the values of TYPE.yaml."
    )
    parser.add_argument("type", choices=TYPES)
    kind = parser.parse_args(arguments).type
    template = asyncio.run(get_default_base_job_template_for_infrastructure_type(kind))
    if template is None:
        sys.exit(f"Prefect's API does not know work pools of type {kind}. Is PREFECT_API_URL right?")
    try:
        print(json.dumps(filled(template, values(kind)), indent=2))
    except ValueError as error:
        sys.exit(f"{kind}.yaml: {error}")


def values(kind: str) -> dict[str, Any]:
    """Read TYPE.yaml."""
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(f"{kind}.yaml").read_text("utf-8"))
    return found


def filled(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template with values.

    Args:
        template: A type's own, with `variables` and `job_configuration`; it is left as it is.
        given: `variables`, new defaults by the variables' names; `job_configuration`, laid over the template's.

    Raises:
        ValueError: There is no such variable.
    """
    if unknown := given.keys() - {"variables", "job_configuration"}:
        raise ValueError(f"{', '.join(sorted(unknown))} means nothing here. Known: variables, job_configuration")
    result = deepcopy(dict(template))
    known = result["variables"]["properties"]
    for name, value in given.get("variables", {}).items():
        if name not in known:
            raise ValueError(f"there is no variable {name}. There are: {', '.join(known)}")
        known[name]["default"] = value
    result["job_configuration"] = _laid_over(result["job_configuration"], given.get("job_configuration", {}))
    return result


def _laid_over(below: Any, above: Any) -> Any:  # noqa: ANN401 - JSON
    """Lay one JSON value over another: objects by their keys, lists item by item."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: _laid_over(below.get(key), value) for key, value in above.items()}
    if isinstance(below, list) and isinstance(above, list):
        both = [_laid_over(one, other) for one, other in zip(below, above, strict=False)]
        return both + below[len(both) :] + above[len(both) :]
    return above


if __name__ == "__main__":
    main()
