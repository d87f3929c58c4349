"""A store that does not honour conditional writes is told before anything is paid; one that admits it can be used."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from prefect_octopusx.api import OctopusXClient, ViduRequest
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import (
    DestinationError,
    DestinationUnavailable,
    Entry,
    RecordConflict,
    RecordState,
    S3Store,
    VideoRecord,
    adopt,
    s3_conditions,
    save,
    submit,
)
from tests.storage.around import Around, posts
from tests.storage.conftest import Bucket, Fault, Proxy, mp4, pieces, record

CAT = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", duration=5)


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """Let each test be the first of its process."""
    before = set(s3_conditions._checked)
    s3_conditions._checked.clear()
    yield
    s3_conditions._checked.clear()
    s3_conditions._checked.update(before)


def ignoring(bucket: Bucket, *headers: str, **options: Any) -> S3Store:  # noqa: ANN401 - any option
    """Return a store whose server never gets to see these headers, so acts as one that does not know them."""
    session = bucket.new_session()

    def drop(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        for header in headers:
            del request.headers[header]

    session.events.register("before-sign.s3.PutObject", drop)
    return S3Store(bucket.options(session_factory=lambda: session, **options))


@pytest.mark.parametrize(("header", "told"), [("If-None-Match", "IfNoneMatch"), ("If-Match", "IfMatch")])
async def test_a_server_that_ignores_a_condition_is_told_before_anything_is_sent(
    bucket: Bucket, client: OctopusXClient, sandbox: Sandbox, header: str, told: str
) -> None:
    store = ignoring(bucket, header)
    for _ in range(2):  # it is not forgotten after the first time
        with pytest.raises(DestinationError, match=rf"ignores {told}\b.*`conditional_writes` to false"):
            await submit(store, client, CAT, name="hero")
    with pytest.raises(DestinationError, match=f"ignores {told}"):
        await adopt(store, "t-1", name="hero")
    assert posts(sandbox) == 0
    assert bucket.objects() == []


@pytest.mark.parametrize("status", [400, 501])
@pytest.mark.parametrize(("header", "told"), [("If-None-Match", "IfNoneMatch"), ("If-Match", "IfMatch")])
async def test_a_server_that_refuses_a_condition_is_told_before_anything_is_sent(
    bucket: Bucket, proxy: Proxy, client: OctopusXClient, sandbox: Sandbox, header: str, told: str, status: int
) -> None:
    take = proxy.take

    def refuse(line: str, headers: dict[str, str]) -> Fault | None:
        take(line, headers)
        return Fault("", status, "NotImplemented") if header in headers else None

    proxy.take = refuse  # type: ignore[method-assign]
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    with pytest.raises(DestinationError, match=rf"refuses {told} \(HTTP {status}\)"):
        await submit(store, client, CAT, name="hero")
    assert posts(sandbox) == 0
    assert bucket.objects() == []


async def test_a_server_is_tried_once_in_a_process(bucket: Bucket, proxy: Proxy, client: OctopusXClient) -> None:
    for number in range(3):
        store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
        await submit(store, client, CAT, name=f"hero-{number}")
    marks = [line for line in proxy.lines if line.startswith("PUT") and "/.pending/" in line]
    assert len(marks) == 3 + 3  # three marks, and three writes on condition


async def test_each_bucket_of_a_server_is_tried(bucket: Bucket, client: OctopusXClient) -> None:
    bucket.client.create_bucket(Bucket=f"{bucket.name}-2")
    await submit(S3Store(bucket.options()), client, CAT, name="hero")
    with pytest.raises(DestinationError, match="ignores IfMatch"):
        await submit(ignoring(bucket._replace(name=f"{bucket.name}-2"), "If-Match"), client, CAT, name="hero")


async def test_a_check_that_could_not_be_made_is_made_again(
    bucket: Bucket, proxy: Proxy, client: OctopusXClient, sandbox: Sandbox
) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    proxy.faults = [Fault("HEAD", 403, "AccessDenied")]
    with pytest.raises(DestinationError):
        await submit(store, client, CAT, name="hero")
    assert (posts(sandbox), bucket.objects()) == (0, [])
    assert (await submit(store, client, CAT, name="hero")).task_id


async def test_known_servers_are_not_asked(monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    proxied = S3Store(bucket.options())
    host = str(bucket.endpoint).partition("://")[2].partition(":")[0]
    monkeypatch.setattr(s3_conditions, "_KNOWN_GOOD", (host,))
    monkeypatch.setattr(s3_conditions, "_write", None)
    await proxied.mark("hero", "c1")


class Fast:
    """Time that runs twenty times as fast."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> float:
        return 1_800_000_000 + 20 * (time.monotonic() - self._began)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@pytest.fixture
def unconditional(bucket: Bucket) -> S3Store:
    return ignoring(bucket, "If-None-Match", "If-Match", conditional_writes=False)


async def test_without_conditions_a_claim_waits_until_it_is_settled(
    unconditional: S3Store, client: OctopusXClient, sandbox: Sandbox
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert posts(sandbox) == 0

    record = await submit(unconditional, client, CAT, name="hero", sleep=sleep)
    assert slept == [2.0]
    done = await save(unconditional, record, pieces(mp4()), declared_length=None, content_type=None)
    assert done.state is RecordState.COMPLETED
    assert await submit(unconditional, client, CAT, name="hero") == done
    assert posts(sandbox) == 1


async def test_without_conditions_a_claim_whose_reply_was_lost_waits_as_well(
    unconditional: S3Store, client: OctopusXClient, sandbox: Sandbox
) -> None:
    class LosesAReply(Around):
        lost = False

        async def create(self, record: VideoRecord) -> Entry:
            entry = await super().create(record)
            if self.lost:
                return entry
            self.lost = True
            raise DestinationUnavailable("the reply was lost")

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert posts(sandbox) == 0

    await submit(LosesAReply(unconditional), client, CAT, name="hero", sleep=sleep)
    assert slept == [1.0, 2.0]


async def test_without_conditions_of_claimants_at_once_one_sends(
    unconditional: S3Store, client: OctopusXClient, sandbox: Sandbox
) -> None:
    time_ = Fast()
    for number in range(3):
        runs = [
            submit(unconditional, client, CAT, name=f"hero-{number}", clock=time_, sleep=time_.sleep) for _ in range(4)
        ]
        records = await asyncio.gather(*runs)
        assert all(record == records[0] for record in records)
        assert posts(sandbox) == number + 1
    assert len([mark async for mark in unconditional.pending()]) == 3


async def test_without_conditions_what_was_changed_meanwhile_is_not_overwritten(unconditional: S3Store) -> None:
    entry = await unconditional.create(record("hero"))
    changed = await unconditional.replace(entry, entry.record.moved(RecordState.UNCERTAIN))
    with pytest.raises(RecordConflict):
        await unconditional.replace(entry, entry.record.moved(RecordState.RELEASED))
    found = await unconditional.read("hero")
    assert found
    assert found.record == changed.record
