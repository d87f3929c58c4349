"""How many requests a video costs in a bucket: each is paid for, and a batch has thousands."""

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
    names = ["day", "day-1", "day/1-b", *(f"day/{n}" for n in range(30))]
    for key in ("day/3.json", "day/7.mp4", "day/5-other.mp4", "day/5.jpg", "day-1.json", "day-12.mp4", "night/8.mp4"):
        bucket.client.put_object(Bucket=bucket.name, Key=f"videos/{key}", Body=b"x")
    unused = await store.unused(names)
    assert set(names) - unused == {"day/3", "day/7", "day-1"}
    assert kinds(proxy.lines) == ["list"]
    proxy.lines.clear()
    steps = {name: (await foresee(store, CAT, name=name, is_unused=name in unused)).step for name in names}
    assert {name for name, step in steps.items() if step is Step.STOP} == {
        "day/3",
        "day/7",
        "day-1",
    }  # no records, these
    assert set(steps.values()) == {Step.STOP, Step.CREATE}
    assert not any(f"/day/{n}." in line for line in proxy.lines for n in range(30) if n not in {3, 7})


@on_moto
async def test_a_few_names_are_asked_for_one_by_one(bucket: Bucket, proxy: Proxy) -> None:
    """At AWS a listing costs as much as twelve of those, and may be in vain."""
    assert await S3Store(bucket.options(endpoint_url=proxy.endpoint)).unused([f"{n}" for n in range(23)]) == set()
    assert proxy.lines == []


@on_moto
async def test_a_store_without_conditions_is_asked_for_each(bucket: Bucket, proxy: Proxy) -> None:
    """What its listing leaves out may be there, and no condition would tell."""
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint, conditional_writes=False))
    assert await store.unused([f"{n}" for n in range(100)]) == set()
    assert proxy.lines == []


@pytest.fixture
def full(bucket: Bucket, proxy: Proxy) -> S3Store:
    """The store of a bucket with 150 objects of earlier batches, whose listings have pages of 100."""

    def pages_of_100(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 100

    for n in range(150):
        bucket.client.put_object(Bucket=bucket.name, Key=f"videos/a/{n:03}.json", Body=b"x")
    session = bucket.new_session()
    session.events.register("before-parameter-build.s3.ListObjectsV2", pages_of_100)
    return S3Store(bucket.options(session_factory=lambda: session, endpoint_url=proxy.endpoint))


@on_moto
async def test_a_listing_goes_on_as_long_as_it_is_cheaper(full: S3Store, proxy: Proxy) -> None:
    used = [f"a/{n:03}" for n in range(100, 140)]
    new = ["a/050-new", "a/149-new", "z", "A", "é", "小猫", "a-b", "a"]
    assert await full.unused([*used, *new]) == set(new)
    assert kinds(proxy.lines) == ["list", "list"]
    proxy.lines.clear()
    assert await full.unused([*used, *new[:7]]) == set()  # one less, and the second page is not worth it
    assert kinds(proxy.lines) == ["list"]


@on_moto
@pytest.mark.parametrize(
    "fault",
    [
        Fault("list-type", 403, "AccessDenied"),
        Fault("list-type", 501, "NotImplemented"),
        Fault("list-type", 200, body="<html><body>One moment</body></html>"),
        Fault("list-type", 200, body="<html><body>One moment<br></html>"),
        Fault("list-type", 200, body="<r><IsTruncated>true</IsTruncated></r>"),
    ],
    ids=str,
)
async def test_a_listing_that_can_not_be_had_tells_nothing(bucket: Bucket, proxy: Proxy, fault: Fault) -> None:
    """The requests for each name tell what is wrong, if anything is."""
    store = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    names = [f"{n}" for n in range(48)]
    assert await store.unused(names) == set(names)
    proxy.faults += [fault] * 5  # boto3 tries what it can't read again
    assert await store.unused(names) == set()


@on_moto
@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("<html><body>One moment</body></html>", "what answers is not S3"),
        ("<html><body>One moment<br></html>", "the server is in trouble"),  # so boto3 calls what is no XML
        ("<r><IsTruncated>true</IsTruncated></r>", "what answers is not S3"),  # there is more, but where?
    ],
)
async def test_a_page_in_place_of_the_index_is_told(bucket: Bucket, proxy: Proxy, page: str, why: str) -> None:
    """An empty index would say that nothing is in the making."""
    proxy.faults += [Fault("list-type", 200, body=page)] * 5
    store: VideoStore = S3Store(bucket.options(endpoint_url=proxy.endpoint))
    with pytest.raises(DestinationError, match=rf"ListObjectsV2 of .* failed: {why}"):
        [mark async for mark in store.pending()]
