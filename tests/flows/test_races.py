"""Runs at once under one name, in threads and in processes: one create, one video, the same record for all."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from prefect_octopusx.blocks import LocalDestination
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import RecordState, VideoRecord
from tests.flows.racing import run_one, run_one_of_many
from tests.flows.ways_on import Destination

pytestmark = pytest.mark.usefixtures("prefect_api", "retries_at_once")

THREADS = 4
PROCESSES = 2


@pytest.fixture
def where(destination: Destination) -> dict[str, Any]:
    if isinstance(destination, LocalDestination):
        return {"folder": str(destination.folder)}
    return destination.model_dump(include={"bucket", "prefix", "endpoint_url", "region"})


async def check(answers: list[str], destination: Destination, sandbox: Sandbox) -> None:
    records = [VideoRecord.from_json(answer.encode(), where=answer) for answer in answers]
    assert all(record == records[0] for record in records)
    assert records[0].state is RecordState.COMPLETED
    assert sum(trace.method == "POST" for trace in sandbox.requests) == 1
    assert len(sandbox.ledger) == 1
    store = await destination.store()
    entry = await store.read("hero")
    assert entry
    assert entry.record == records[0]
    assert [mark async for mark in store.pending()] == []
    if isinstance(destination, LocalDestination):
        files = {str(path.relative_to(destination.folder)) for path in Path(destination.folder).rglob("*")}
        assert files == {".pending", "hero.json", "hero.mp4"}


async def test_in_threads(destination: Destination, where: dict[str, Any], sandbox: Sandbox) -> None:
    start = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        runs = [pool.submit(run_one, start, sandbox.url, sandbox.key, where) for _ in range(THREADS)]
        answers = [run.result() for run in runs]
    await check(answers, destination, sandbox)


async def test_in_processes(destination: Destination, where: dict[str, Any], sandbox: Sandbox) -> None:
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(PROCESSES), context.Queue()
    given = (sandbox.url, sandbox.key, where)
    runs = [context.Process(target=run_one_of_many, args=(start, answers, given)) for _ in range(PROCESSES)]
    for run in runs:
        run.start()
    try:
        told = [answers.get(timeout=90) for _ in runs]
    finally:
        for run in runs:
            run.join(60)
            run.close()
        answers.close()
        answers.join_thread()
    await check(told, destination, sandbox)
