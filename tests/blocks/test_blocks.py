"""The blocks: Prefect's own standard, saving and loading, and what is used where a flow was not told."""

import pickle
from pathlib import Path
from typing import Any

import boto3
import pytest
from prefect import get_client
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import SecretStr, ValidationError

from prefect_octopusx.api import AuthenticationError, CredentialsMissing, DownloadRefused, ViduRequest
from prefect_octopusx.blocks import (
    LocalDestination,
    OctopusXCredentials,
    S3Destination,
    resolve_credentials,
    resolve_destination,
)
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Sandbox
from prefect_octopusx.storage import DestinationError, S3Store
from tests.api.gateways import http_answer
from tests.api.strangers import Stranger

CAT = ViduRequest(model="viduq3-pro", prompt="a cat")
BLOCKS: list[type[Block]] = [OctopusXCredentials, S3Destination, LocalDestination]


class TestStandard(BlockStandardTestSuite):
    """What Prefect asks of every block."""

    @pytest.fixture(params=BLOCKS, ids=lambda block: block.__name__)
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        block: type[Block] = request.param
        return block

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """The suite's own test fetches the image, which needs the network; here it is one of Prefect's own."""
        assert str(block._logo_url).startswith("https://raw.githubusercontent.com/PrefectHQ/prefect/")


def test_type_slugs_never_change() -> None:
    assert [block.get_block_type_slug() for block in BLOCKS] == [
        "octopusx-credentials",
        "s3-destination",
        "local-destination",
    ]


def secret(text: str) -> Secret[Any]:
    return Secret(value=SecretStr(text))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (OctopusXCredentials, {"api_key": secret("sk-x"), "apikey": "x"}),
        (S3Destination, {"bucket": "videos", "bukket": "x"}),
        (LocalDestination, {"foldr": "x"}),
    ],
)
def test_unknown_fields_are_refused(kind: type[Block], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind(**fields)


@pytest.mark.parametrize("url", ["octopusx.ai", "ftp://octopusx.ai", "https://octopusx.ai/?key=1", "https://u:p@x.ai"])
def test_a_base_url_is_an_address_alone(url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        OctopusXCredentials(api_key=secret("sk-x"), base_url=url)


@pytest.mark.parametrize("url", ["https://octopusx.ai", "https://octopusx.ai/", "https://octopusx.ai/v1/"])
def test_a_base_url_ends_before_the_version(url: str) -> None:
    assert OctopusXCredentials(api_key=secret("sk-x"), base_url=url).base_url == "https://octopusx.ai"


async def test_limits_of_downloads_reach_the_client() -> None:
    assert OctopusXCredentials(
        api_key=secret("sk-x"), allowed_private_hosts=["", "Files.Test."]
    ).allowed_private_hosts == [
        "files.test"  # a form may send an empty text
    ]
    async with Stranger(http_answer("200 OK", b"", length=1_000_001)) as host:
        url = f"http://127.0.0.1:{host.port}/v.mp4"
        credentials = OctopusXCredentials(api_key=secret("sk-x"), allowed_private_hosts=["127.0.0.0/8"], max_video_mb=1)
        for limits, words in (({}, "larger than 1 MB"), ({"allowed_private_hosts": []}, "not in the public internet")):
            async with credentials.model_copy(update=limits).client() as client:
                with pytest.raises(DownloadRefused, match=words):
                    async with client.open_video(url):
                        pass


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"allowed_private_hosts": ["http://files.test"]}, "'http://files.test' is no host"),
        ({"max_video_mb": 0}, "max_video_mb"),
        ({"download_timeout": 0}, "download_timeout"),
    ],
)
def test_limits_that_can_not_be(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OctopusXCredentials(api_key=secret("sk-x"), **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"public_base_url": "cdn.example.com"}, "public_base_url: it is a plain address"),
        ({"public_base_url": "https://u:p@cdn.example.com"}, "public_base_url: it is a plain address"),
        ({"presigned_link_hours": 169}, "presigned_link_hours"),
        ({"presigned_link_hours": 0}, "presigned_link_hours"),
        ({"presigned_link_hours": 1, "public_base_url": "https://cdn.example.com"}, "give one of them"),
    ],
)
def test_what_can_give_no_links_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        S3Destination(bucket="videos", **fields)


async def test_an_empty_field_of_a_form_is_no_address(tmp_path: Path) -> None:
    assert S3Destination(bucket="videos", public_base_url="").public_base_url is None
    assert await (await LocalDestination(folder=tmp_path, public_base_url=" ").store()).link("fox") is None


async def test_what_lies_beside_videos_is_configured_once(tmp_path: Path) -> None:
    for destination in (S3Destination(bucket="videos"), LocalDestination(folder=tmp_path)):
        store = await destination.store()
        assert (store.poster, store.player) == (True, False)
        store = await destination.model_copy(update={"poster": False, "player": True}).store()
        assert (store.poster, store.player) == (False, True)


def test_the_key_is_never_shown() -> None:
    credentials = OctopusXCredentials(api_key=secret("sk-very-secret"))
    shown = f"{credentials!r} {credentials} {credentials.model_dump()} {credentials.model_dump_json()}"
    assert "very-secret" not in shown
    assert "very-secret" in pickle.loads(pickle.dumps(credentials)).api_key.get()  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("value", "words"),
    [(secret(""), "holds no text"), (secret("  "), "holds no text"), (secret("********"), "mask that Prefect keeps")],
)
async def test_a_secret_that_is_no_key(value: Secret[Any], words: str) -> None:
    with pytest.raises(CredentialsMissing, match=words):
        OctopusXCredentials(api_key=value).client()


def test_a_secret_that_is_a_document_is_no_key() -> None:
    with pytest.raises(CredentialsMissing, match="holds no text"):
        OctopusXCredentials(api_key=Secret(value={"key": "sk-x"})).client()  # type: ignore[arg-type] # as JSON would


@pytest.fixture
async def clean_blocks() -> None:
    """Start without saved blocks."""
    async with get_client() as client:
        for document in await client.read_block_documents():
            await client.delete_block_document(document.id)


@pytest.mark.usefixtures("prefect_api", "clean_blocks")
class TestSaved:
    """With a real Prefect server."""

    async def test_changing_the_secret_changes_the_key_of_all_who_refer_to_it(self, sandbox: Sandbox) -> None:
        await secret("sk-old").asave("octopusx-api-key")
        await OctopusXCredentials(api_key=await Secret.aload("octopusx-api-key"), base_url=sandbox.url).asave("default")
        async with (await resolve_credentials()).client() as client:
            with pytest.raises(AuthenticationError):
                await client.key_usage()
        await secret(sandbox.key).asave("octopusx-api-key", overwrite=True)
        async with (await resolve_credentials()).client() as client:
            assert await client.key_usage()

    async def test_a_key_of_digits_is_a_key(self) -> None:
        await secret("1234567890").asave("octopusx-api-key")
        credentials = await resolve_credentials()
        assert credentials._key() == "1234567890"

    async def test_destinations_come_back_as_they_were(self, tmp_path: Path) -> None:
        bucket = S3Destination(bucket="videos", prefix="a/b", region="eu-west-1", tags={"team": "media"}, concurrency=2)
        await bucket.asave("mine")
        assert (await S3Destination.aload("mine")).model_dump() == bucket.model_dump()
        await LocalDestination(folder=tmp_path).asave("mine")
        assert (await LocalDestination.aload("mine")).folder == tmp_path

    async def test_credentials_are_looked_for_in_the_order_of_the_docs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(CredentialsMissing) as caught:
            await resolve_credentials()
        for way in ('.save("default")', '.save("octopusx-api-key")', "OCTOPUSX_API_KEY"):
            assert way in str(caught.value)
        monkeypatch.setenv("OCTOPUSX_API_KEY", "from-environment")
        monkeypatch.setenv("OCTOPUSX_BASE_URL", "http://127.0.0.1:1")
        assert (await resolve_credentials())._key() == "from-environment"
        assert (await resolve_credentials()).base_url == "http://127.0.0.1:1"
        await secret("from-secret").asave("octopusx-api-key")
        assert (await resolve_credentials())._key() == "from-secret"
        await OctopusXCredentials(api_key=secret("from-block")).asave("default")
        assert (await resolve_credentials())._key() == "from-block"
        given = OctopusXCredentials(api_key=secret("given"))
        assert await resolve_credentials(given) is given

    async def test_the_destination_is_the_saved_bucket_or_a_folder(self) -> None:
        found = await resolve_destination()
        assert isinstance(found, LocalDestination)
        assert found.folder == Path("videos")
        await S3Destination(bucket="videos").asave("default")
        found = await resolve_destination()
        assert isinstance(found, S3Destination)
        given = LocalDestination(folder=Path("elsewhere"))
        assert await resolve_destination(given) is given

    async def test_a_named_credentials_block_that_is_not_there(self) -> None:
        with pytest.raises(DestinationError, match="aws-credentials/nobody can't be loaded"):
            await S3Destination(bucket="videos", aws_credentials="nobody").store()

    async def test_keys_may_come_from_a_saved_aws_credentials_block(self, s3_url: str) -> None:
        """A stand-in for prefect-aws's block, which would bring 13 packages; it has the same slug and method."""

        class AwsCredentials(Block):
            _block_type_slug = "aws-credentials"
            aws_access_key_id: str
            aws_secret_access_key: SecretStr

            def get_boto3_session(self) -> boto3.Session:
                return boto3.Session(self.aws_access_key_id, self.aws_secret_access_key.get_secret_value())

        block = AwsCredentials(aws_access_key_id="from-block", aws_secret_access_key=SecretStr("x"))
        await block.asave("mine")
        boto3.client("s3", endpoint_url=s3_url).create_bucket(Bucket="by-block")
        destination = S3Destination(bucket="by-block", endpoint_url=s3_url, aws_credentials="mine", region="us-east-1")
        store = await destination.store()
        assert isinstance(store, S3Store)
        assert await store.read("nothing") is None
        assert store.options.session_factory
        found = store.options.session_factory().get_credentials()
        assert found
        assert found.access_key == "from-block"


@pytest.mark.usefixtures("prefect_api")
async def test_blocks_are_read_from_the_parameters_that_prefect_keeps(tmp_path: Path) -> None:
    """A run of a deployment that was given blocks starts from those, and so does a Retry."""
    await LocalDestination(folder=tmp_path).asave("kept", overwrite=True)
    for given in (
        LocalDestination(folder=tmp_path),
        await LocalDestination.aload("kept"),
        S3Destination(bucket="videos", prefix="clips"),
    ):
        credentials = OctopusXCredentials(api_key=Secret(value=SecretStr("sk-secret")))
        parameters = {"request": CAT, "destination": given, "credentials": credentials, "name": "hero"}
        async with get_client() as client:
            deployment = await client.create_deployment(await client.create_flow(generate_video), name="kept")
            run = await client.create_flow_run_from_deployment(deployment, parameters=parameters)
            await client.delete_deployment(deployment)
        assert "sk-secret" not in str(run.parameters)
        read = generate_video.validate_parameters(run.parameters)["destination"]
        fields = set(type(given).model_fields)
        assert read.model_dump(include=fields) == given.model_dump(include=fields)
        assert type(read) is type(given)


def test_another_kind_of_block_is_not_taken_for_this_one() -> None:
    with pytest.raises(ValidationError):
        LocalDestination.model_validate({"folder": "x", "block_type_slug": "s3-destination"})


@pytest.mark.parametrize("block", [OctopusXCredentials, S3Destination, LocalDestination])
def test_the_form_has_an_empty_field_for_what_can_be_empty(block: type[Block]) -> None:
    """The UI makes tabs of `anyOf`, and begins with the one of null if that is the default."""
    for name, field in block.model_json_schema()["properties"].items():
        assert field["title"], name
        assert field.get("default", 0) is not None, f"{name}: give it json_schema_extra=can_be_empty"
        assert all("enum" in option for option in field.get("anyOf", []) if option != {"type": "null"}), name
