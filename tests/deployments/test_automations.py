"""The automations that are shipped, at a real server: they fire, leave alone what is well, and may be applied again."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest
from prefect import get_client
from prefect.automations import (
    Automation,
    AutomationCore,
    EventTrigger,
    PauseDeployment,
    Posture,
    ResourceSpecification,
)
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.events import emit_event
from prefect.states import Crashed, Pending, Running, Scheduled, Suspended
from pydantic import SecretStr

from deployments.automations import NAMES, alerts, apply, crashed_runs, dead_runs, existing, main, notifier, remove
from prefect_octopusx.api import SubmissionUncertain, VideoFailed, ViduRequest
from prefect_octopusx.blocks import OctopusXCredentials
from prefect_octopusx.flows import generate_video
from prefect_octopusx.sandbox import Fault, Sandbox
from tests.flows.deployed import Deployed, Studio

pytestmark = pytest.mark.usefixtures("prefect_api")

SHORTEST = timedelta(seconds=10)  # that Prefect waits for what does not happen
SOON = 2.0  # seconds after which the server heeds a new automation
SECRET = "canary-41c8"


class Inbox:
    """Whom alerts go to: a webhook on this machine."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        inbox = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.append(json.loads(body)["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    async def until(self, text: str) -> str:
        """Wait for the message with this text."""
        async with asyncio.timeout(60):
            while not (found := [message for message in self.messages if text in message]):
                await asyncio.sleep(0.1)
        assert len(found) == 1
        return found[0]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
async def block(inbox: Inbox) -> UUID:
    webhook = CustomWebhookNotificationBlock(
        name="tests",
        url=f"http://127.0.0.1:{inbox.server.server_port}/",
        json_data={"text": "{{subject}}\n{{body}}"},
    )
    await webhook.asave("oncall", overwrite=True)
    return await notifier("custom-webhook/oncall")


@pytest.fixture(autouse=True)
def _nothing_stays(prefect_api: str) -> Iterator[None]:  # noqa: ARG001 - it only has to run
    yield
    asyncio.run(remove())


def hurried(automation: AutomationCore) -> AutomationCore:
    """Let what waits for hours wait for seconds."""
    assert isinstance(automation.trigger, EventTrigger)
    trigger = automation.trigger.model_copy(update={"within": SHORTEST})
    return automation.model_copy(update={"trigger": trigger})


async def show_life(*runs: Deployed) -> None:
    """Send a heartbeat, as Prefect's engine does, but for each of these runs, and now."""
    for run in runs:
        found = await run.read()
        flow = {
            "prefect.resource.id": f"prefect.flow.{found.flow_id}",
            "prefect.resource.role": "flow",
            "prefect.resource.name": run.flow.name,
        }
        resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": found.name}
        emit_event("prefect.flow-run.heartbeat", resource=resource, related=[flow])


async def test_a_dead_run_is_crashed_and_the_others_are_left_alone(studio: Studio, inbox: Inbox, block: UUID) -> None:
    away_too_long = [hurried(alert) for alert in alerts(block) if "come back" in alert.name]
    await apply([dead_runs(SHORTEST), *away_too_long])
    dead, lives, suspended, away = [await studio.deploy(name=name) for name in ("dead", "lives", "suspended", "away")]
    for run in (dead, lives, suspended):
        await run.set(Pending())
        await run.set(Running())
    for _ in range(6):
        await show_life(dead, lives, suspended, away)
        await asyncio.sleep(0.5)
    await suspended.set(Suspended())
    await away.leave()
    async with asyncio.timeout(60):
        while (state := (await dead.read()).state) is None or not state.is_crashed():
            await show_life(lives)
            await asyncio.sleep(0.5)
    assert state.name == "Crashed"
    assert "No heartbeat for 0:00:10" in str(state.message)
    for _ in range(12):  # what was told a few seconds later is dealt with a few seconds later
        await show_life(lives)
        await asyncio.sleep(0.5)
    await inbox.until(f"{(await away.read()).name} waits for its video and does not come back")
    assert [(await run.states())[-1] for run in (lives, suspended, away)] == ["Running", "Suspended", "AwaitingVideo"]


async def crash(run: Deployed) -> None:
    """Let it look like a run whose worker was killed."""
    for state in (Pending(), Running(), Crashed()):
        await run.set(state)


async def starts_again(run: Deployed) -> None:
    async with asyncio.timeout(30):
        while (await run.states())[-1] != "AwaitingRetry":
            await asyncio.sleep(0.1)


async def test_a_crashed_run_starts_again_once_an_hour(studio: Studio) -> None:
    await apply([crashed_runs()])
    await asyncio.sleep(SOON)
    run, later = await studio.deploy(), await studio.deploy(name="later")
    await crash(run)
    await starts_again(run)
    await crash(run)
    await crash(later)
    await starts_again(later)  # so the crash before it has been dealt with
    states = await run.states()
    assert (states.count("Crashed"), states.count("AwaitingRetry")) == (2, 1)
    await run.bring_forward()
    await run.leave()
    assert studio.posts == 1


async def test_alerts_reach_somebody_and_tell_no_secrets(
    studio: Studio, sandbox: Sandbox, credentials: OctopusXCredentials, inbox: Inbox, block: UUID
) -> None:
    await apply(alerts(block, failed_videos=2))
    await asyncio.sleep(SOON)
    given = {"destination": studio.destination, "credentials": credentials, "poll_interval": 0.05}
    picture = f"https://pictures.test/cat.png?sig={SECRET}"
    cat = ViduRequest(model="viduq3-pro", prompt="a cat chasing butterflies", images=[picture])
    sandbox.add_fault(Fault("video_failed_object", reason=f"no cats, see {picture}"))
    with pytest.raises(VideoFailed):
        await generate_video(cat, name="sad", **given)
    sandbox.add_fault(Fault("create_lost_reply"))
    with pytest.raises(SubmissionUncertain):
        await generate_video(cat, name="lost", **given)
    late = await studio.deploy(name="late")
    await late.set(Scheduled(name="Late"))
    assert "no cats" in await inbox.until("generate-video: sad (viduq3-pro) is Failed")
    assert "adopt_video" in await inbox.until("lost (viduq3-pro) needs a decision")
    assert "lost (viduq3-pro) is uncertain" in await inbox.until("2 videos failed or are uncertain")
    await inbox.until(f"generate-video: {(await late.read()).name} is late")
    assert len(inbox.messages) == 4
    for hidden in (SECRET, sandbox.key, "butterflies", "sig="):
        assert hidden not in "".join(inbox.messages)


async def test_an_automation_acts_on_a_video(
    studio: Studio, sandbox: Sandbox, credentials: OctopusXCredentials
) -> None:
    other = await studio.deploy(name="other")
    deployment = (await other.read()).deployment_id
    assert deployment is not None
    folder = studio.destination.folder
    trigger = EventTrigger(
        expect={"octopusx.video.completed"},
        match=ResourceSpecification({"prefect.resource.id": f"octopusx.video.{folder}/*", "octopusx.family": "vidu"}),
        match_related=ResourceSpecification(
            {"prefect.resource.role": "flow", "prefect.resource.name": "generate-video"}
        ),
        posture=Posture.Reactive,
    )
    action = PauseDeployment(source="selected", deployment_id=deployment)
    automation = await Automation(name="tests: pause", trigger=trigger, actions=[action]).acreate()
    await asyncio.sleep(SOON)
    cat = ViduRequest(model="viduq3-pro", prompt="a cat")
    await generate_video(cat, name="hero", destination=studio.destination, credentials=credentials, poll_interval=0.05)
    async with get_client() as client, asyncio.timeout(30):
        while not (await client.read_deployment(deployment)).paused:
            await asyncio.sleep(0.1)
    await automation.adelete()
    assert sandbox.ledger


async def test_applying_again_changes_only_what_is_different(block: UUID) -> None:
    wanted = [dead_runs(), crashed_runs(), *alerts(block)]
    assert [automation.name for automation in wanted] == list(NAMES)
    assert await apply(wanted) == dict.fromkeys(NAMES, "created")
    assert await apply(wanted) == dict.fromkeys(NAMES, "unchanged")
    for automation in await existing():
        if automation.name == NAMES[0]:
            await automation.adisable()
    changed = await apply([dead_runs(timedelta(hours=1)), crashed_runs(), *alerts(block)])
    assert changed == {**dict.fromkeys(NAMES, "unchanged"), NAMES[0]: "updated"}
    found = {automation.name: automation for automation in await existing()}
    assert len(found) == len(await existing()) == len(NAMES)
    assert [name for name, automation in found.items() if not automation.enabled] == [NAMES[0]]
    assert isinstance(trigger := found[NAMES[0]].trigger, EventTrigger)
    assert trigger.within == timedelta(hours=1)
    assert sorted(await remove()) == sorted(NAMES)
    assert await existing() == []


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply"]) == 0
    dead, crashed = NAMES[:2]
    assert f"{dead}: created\n{crashed}: created\nAlerts need somebody to go to" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert capsys.readouterr().out == f"{dead}: on\n{crashed}: on\n"
    assert main(["remove"]) == 0
    assert capsys.readouterr().out == f"{dead}: removed\n{crashed}: removed\n"
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "There are none.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["apply", "--notify", "slack-webhook/nobody"], "there is no block 'slack-webhook/nobody'"),
        (["apply", "--notify", "oncall"], "there is no block 'oncall'"),
        (["apply", "--notify", "secret/automations"], "can't notify anybody"),
    ],
)
def test_nobody_is_notified_by_what_can_not(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(Secret(value=SecretStr(SECRET)).asave("automations", overwrite=True))
    assert main(arguments) == 1
    assert told in capsys.readouterr().err
    assert asyncio.run(existing()) == []


@pytest.mark.parametrize("arguments", [["--dead-after", "60"], ["--failed-videos", "0"]])
def test_numbers_that_can_not_be_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["apply", *arguments])
    assert asyncio.run(existing()) == []
