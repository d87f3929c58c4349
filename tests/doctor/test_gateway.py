"""The gateway and the key, without ever creating anything."""

import socket
from datetime import UTC, datetime

import pytest
from prefect.blocks.system import Secret
from pydantic import SecretStr

from prefect_octopusx.api import KeyUsage
from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.doctor import Verdict, diagnose
from prefect_octopusx.doctor.gateway import of_usage
from prefect_octopusx.sandbox import Fault, Sandbox, SandboxSettings
from tests.doctor.conftest import Look, spoil

KEY = "a-secret-that-nobody-sees-1234"


async def test_all_is_well_and_nothing_is_created(look: Look, surroundings: Sandbox) -> None:
    key = await look("key")
    assert (key.group, key.verdict, key.mend) == ("octopusx", Verdict.OK, "")
    assert key.found == "0 units used, no limit of its own"
    assert [trace.method for trace in surroundings.requests] == ["GET"]


async def test_no_key_is_told_with_the_ways_to_give_one(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCTOPUSX_API_KEY")
    found = await look("credentials")
    assert (found.verdict, found.found) == (Verdict.FAILED, "No OctopusX API key was found")
    assert "OCTOPUSX_API_KEY" in found.mend


async def test_a_key_is_shown_by_its_last_four_characters_only(
    surroundings: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    del surroundings
    monkeypatch.setenv("OCTOPUSX_API_KEY", KEY)
    monkeypatch.setenv("OCTOPUSX_BASE_URL", f"http://127.0.0.1:9/{KEY}")  # which the error repeats
    diagnosis = await diagnose(only=["key"])
    assert diagnosis.of("credentials").found == "key from OCTOPUSX_API_KEY, ends with 1234"
    assert "http://127.0.0.1:9/… can't be reached" in diagnosis.of("gateway").found
    assert "secret" not in diagnosis.model_dump_json()


async def test_a_saved_key_is_named_and_the_one_in_the_environment_is_not_used(
    look: Look, surroundings: Sandbox
) -> None:
    key = Secret(value=SecretStr(surroundings.key))
    block = OctopusXCredentials(api_key=key, base_url=surroundings.url, allowed_private_hosts=["files.test"])
    await block.asave("default", overwrite=True)
    try:
        found = await look("credentials")
    finally:
        await OctopusXCredentials.adelete("default")
    assert found.found.endswith("; videos may also come from files.test")
    assert "the block octopusx-credentials/default (OCTOPUSX_API_KEY is set too, and not used)" in found.found


async def test_a_wrong_key_fails_although_the_gateway_answers(
    surroundings: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    del surroundings
    monkeypatch.setenv("OCTOPUSX_API_KEY", KEY)
    diagnosis = await diagnose(only=["key"])
    assert diagnosis.of("gateway").verdict is Verdict.OK
    assert diagnosis.of("key").verdict is Verdict.FAILED
    assert "does not accept the key" in diagnosis.of("key").found


async def test_a_gateway_that_is_away_skips_what_needs_it(
    surroundings: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    del surroundings
    monkeypatch.setenv("OCTOPUSX_BASE_URL", "http://127.0.0.1:9")
    diagnosis = await diagnose(only=["key"])
    gateway, key = diagnosis.of("gateway"), diagnosis.of("key")
    assert (gateway.verdict, key.verdict, key.found) == (Verdict.FAILED, Verdict.SKIPPED, "gateway failed")
    assert gateway.mend == "Check `base_url`, the network and any proxy"
    assert not diagnosis.passed()


async def test_a_gateway_that_never_answers_stops_no_other_check(
    surroundings: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    del surroundings
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OCTOPUSX_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        diagnosis = await diagnose(only=["gateway", "runs-overdue"], timeout=5)  # the others ask Prefect in it
    assert diagnosis.of("gateway").found == "no end within 5 s"
    assert diagnosis.of("gateway").seconds >= 5
    assert diagnosis.of("runs-overdue").verdict is Verdict.OK


async def test_a_gateway_in_trouble_fails(look: Look, surroundings: Sandbox) -> None:
    surroundings.add_fault(Fault("usage_html_502"))
    found = await look("gateway")
    assert (found.verdict, found.mend) == (Verdict.FAILED, "Check `base_url`, the network and any proxy")


async def test_a_key_that_is_used_up_fails(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(SandboxSettings(quota=0)) as poor:
        monkeypatch.setenv("OCTOPUSX_BASE_URL", poor.url)
        found = await look("key")
    assert (found.verdict, found.found) == (Verdict.FAILED, "the key is used up (0 units used, 0 left)")


@pytest.mark.parametrize(
    ("days", "verdict"), [(-1, Verdict.FAILED), (2, Verdict.WARNING), (30, Verdict.OK)], ids=["over", "soon", "later"]
)
async def test_the_end_of_a_keys_life_is_told(days: float, verdict: Verdict) -> None:
    """The sandbox's keys have none."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    expires_at = datetime.fromtimestamp(now.timestamp() + days * 86_400, UTC)
    usage = KeyUsage(granted=100, used=1, available=99, expires_at=expires_at)
    found = of_usage(usage, now, "so")
    assert (found.verdict, found.mend == "Make another one:\nso") == (verdict, verdict is Verdict.FAILED)


async def test_a_block_that_cannot_be_read_is_named_and_can_be_saved_as_told(look: Look, surroundings: Sandbox) -> None:
    block = OctopusXCredentials(api_key=Secret(value=SecretStr(surroundings.key)), base_url=surroundings.url)
    await block.asave("default", overwrite=True)
    try:
        await spoil("octopusx-credentials", {"base_url": "no address"})
        found = await look("credentials")
        assert found.found.startswith("the block octopusx-credentials/default can't be read (base_url: ")
        _, command = found.mend.splitlines()  # the environment would not be looked at
        names = {"OctopusXCredentials": OctopusXCredentials, "Secret": Secret}
        await eval(command.removeprefix("await "), names)  # noqa: S307 - our own words, word for word
        assert (await look("credentials")).verdict is Verdict.OK
    finally:
        await OctopusXCredentials.adelete("default")


async def test_a_wrong_address_in_the_environment_is_no_fault_of_a_block(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTOPUSX_BASE_URL", "no address")
    found = await look("credentials")
    assert (found.verdict, "OCTOPUSX_BASE_URL is wrong (base_url: " in found.found) == (Verdict.FAILED, True)
