"""How many requests a video costs in a bucket: each is paid for, and a batch has thousands."""

import os
from collections.abc import Sequence

import pytest

from prefect_octopusx.api import OctopusXClient
from prefect_octopusx.storage import DestinationError, S3Store, Step, VideoStore, foresee, save, submit
from tests.storage.conftest import Bucket, Fault, Proxy, mp4, pieces
from tests.storage.sending import CAT

on_moto = pytest.mark.parametrize("server", ["moto"], indirect=True)  # Swift honours no conditions


def kinds(lines: Sequence[str]) -> list[str]:
    """Return method and path of each request, without what differs from one run to the next."""
    told = []
    for line in lines:
        method, _, target = line.partition(" ")
        path, _, query = target.partition("?")
        told.append(f"{method} {path.partition('/videos/')[2].partition('.pending/')[1] or path.rpartition('/')[2]}")
        if "uploads" in query:
            told[-1] = "uploads"
        if "list-type" in query:
            told[-1] = "list"
    return told


@on_moto
async def test_a_new_video_takes_ten_requests(bucket: Bucket, proxy: Proxy, client: OctopusXClient) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    await submit(store, client, CAT, name="first")  # tries once whether the server honours conditions
    proxy.lines.clear()
    record = await submit(store, client, CAT, name="hero")
    assert kinds(proxy.lines) == [
        "GET hero.json",
        "GET hero.mp4",
        "PUT .pending/",
        "PUT hero.json",  # the claim
        "PUT hero.json",  # the task id
    ]
    proxy.lines.clear()
    await save(store, record, pieces(mp4()), declared_length=None, content_type="video/mp4")
    assert kinds(proxy.lines)[:3] == ["GET hero.json", "PUT hero.mp4", "PUT hero.json"]
    assert sorted(kinds(proxy.lines)[3:]) == ["DELETE .pending/", "uploads"]


@on_moto
async def test_names_that_are_not_used_are_told_by_one_listing(bucket: Bucket, proxy: Proxy) -> None:
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    names = [f"day/{n:02}" for n in range(20)]
    for key in ("day/03.json", "day/07.mp4", "day/05-other.mp4", "day/05.jpg", "night/08.mp4"):
        bucket.client.put_object(Bucket=bucket.name, Key=f"videos/{key}", Body=b"x")
    assert await store.unused(names) == set(names) - {"day/03", "day/07"}
    assert kinds(proxy.lines) == ["list"]
    proxy.lines.clear()
    unused = await store.unused(names)
    steps = [(await foresee(store, CAT, name=name, is_unused=name in unused)).step for name in names]
    assert steps.count(Step.CREATE) == 18
    assert [names[n] for n, step in enumerate(steps) if step is Step.STOP] == ["day/03", "day/07"]  # no records, both
    assert len(proxy.lines) < 8


@on_moto
async def test_a_few_names_are_asked_for_one_by_one(bucket: Bucket, proxy: Proxy) -> None:
    """At AWS a listing costs as much as twelve of those."""
    assert await S3Store(bucket.options(endpoint_url=proxy.endpoint)).unused(["a", "b"]) == set()
    assert proxy.lines == []


@on_moto
async def test_a_store_without_conditions_is_asked_for_each(bucket: Bucket, proxy: Proxy) -> None:
    """What its listing leaves out may be there, and no condition would tell."""
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, conditional_writes=False))
    assert await store.unused([f"{n}" for n in range(100)]) == set()
    assert proxy.lines == []


@pytest.fixture
def full(bucket: Bucket) -> S3Store:
    """The store of a bucket with 150 objects of earlier batches, whose listings have pages of 100."""

    def pages_of_100(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 100

    for n in range(150):
        bucket.client.put_object(Bucket=bucket.name, Key=f"videos/a/{n:03}.json", Body=b"x")
    session = bucket.new_session()
    session.events.register("before-parameter-build.s3.ListObjectsV2", pages_of_100)
    return S3Store(bucket.options(session_factory=lambda: session))


@on_moto
@pytest.mark.parametrize("names", [["a/050-new", "a/149-new"], ["a/120-new", "z"], ["A", "a/001", "é", "小猫"]])
async def test_a_listing_goes_on_as_long_as_it_is_cheaper(full: S3Store, names: list[str]) -> None:
    used = [f"a/{n:03}" for n in range(40, 80)]
    assert await full.unused([*used, *names]) == set(names) - {"a/001"}


@on_moto
async def test_what_a_listing_did_not_come_to_is_not_told(full: S3Store) -> None:
    few = [f"a/{n:03}-new" for n in range(0, 140, 20)]  # worth one page, which ends with a/099.json
    assert await full.unused(few) == {name for name in few if name < "a/100"}


@on_moto
async def test_a_bucket_that_can_not_be_listed_says_so(bucket: Bucket, proxy: Proxy) -> None:
    proxy.faults.append(Fault("list-type", 403, "AccessDenied"))
    store: VideoStore = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    with pytest.raises(DestinationError, match=r"ListObjectsV2 of .* failed: access is denied"):
        await store.unused([os.urandom(4).hex() for _ in range(12)])
