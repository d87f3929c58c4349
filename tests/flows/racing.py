"""One run of a race; in a module of its own, because other processes import it."""

import asyncio
from multiprocessing.synchronize import Barrier
from threading import Barrier as ThreadBarrier
from typing import Any

from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.blocks import LocalDestination, OctopusXCredentials, S3Destination
from prefect_octopusx.flows import generate_video
from tests.flows.ways_on import CAT


def run_one(start: Barrier | ThreadBarrier, url: str, key: str, where: dict[str, Any]) -> str:
    """Run the flow as soon as all are there; return the record as JSON."""
    kind = LocalDestination if "folder" in where else S3Destination
    destination = kind(**where, poster=False)  # a decoder is nothing to race for, and slow to load
    credentials = OctopusXCredentials(api_key=Secret(value=SecretStr(key)), base_url=url)
    start.wait(60)
    record = asyncio.run(
        generate_video(request=CAT, name="hero", destination=destination, credentials=credentials, poll_interval=0.1)
    )
    return str(record.model_dump_json())


def run_one_of_many(start: Barrier, answers: Any, given: tuple[str, str, dict[str, Any]]) -> None:  # noqa: ANN401 - a queue
    """Run it in a process of its own."""
    try:
        answers.put(run_one(start, *given))
    except BaseException as error:
        answers.put(repr(error))
        raise
