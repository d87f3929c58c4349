"""What was refused, failed or got no certain answer is sent again only if a person says so."""

import pytest

from prefect_octopusx.api import InvalidRequest, SubmissionUncertain, VideoFailed
from prefect_octopusx.sandbox import Fault, Sandbox
from prefect_octopusx.storage import NameTaken, RecordState
from tests.storage.sending import DOG, Posts, Send, abandoned

UNCERTAIN = ["create_lost_reply", "create_reset", "create_closed", "create_html_504", "create_no_id", "create_slow"]


async def test_what_the_api_refused_is_sent_again_only_if_asked(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_policy_violation"))
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="refused"):
            await send()
    assert posts.sent == 1
    refused = await send.stored()
    assert refused.state is RecordState.REFUSED
    record = await send(retry_failed=True)
    assert [(attempt.state, attempt.error) for attempt in record.earlier] == [(RecordState.REFUSED, refused.error)]
    assert (posts.sent, posts.billed) == (2, 1)


async def test_a_refused_name_may_stand_for_a_corrected_request(send: Send, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_policy_violation"))
    with pytest.raises(InvalidRequest):
        await send()
    assert (await send(DOG)).digest == DOG.digest


@pytest.mark.parametrize("kind", UNCERTAIN)
async def test_what_got_no_certain_answer_is_never_sent_again_by_itself(
    send: Send, posts: Posts, sandbox: Sandbox, kind: str
) -> None:
    sandbox.add_fault(Fault(kind))
    with pytest.raises(SubmissionUncertain, match=r"dashboard.*resubmit"):
        await send()
    assert (await send.stored()).state is RecordState.UNCERTAIN
    for _ in range(2):
        with pytest.raises(SubmissionUncertain, match=r"hero: No certain answer .* sent .* UTC.*dashboard"):
            await send()
    assert posts.sent == 1
    assert posts.billed <= 1


async def test_a_person_may_send_it_again(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_closed"))
    with pytest.raises(SubmissionUncertain):
        await send()
    record = await send(on_uncertain="resubmit")
    assert record.state is RecordState.SUBMITTED
    assert [attempt.state for attempt in record.earlier] == [RecordState.UNCERTAIN]
    assert posts.billed == 1
    assert (await send(on_uncertain="resubmit")).task_id == record.task_id  # what is certain is not sent again
    assert posts.sent == 2


async def test_sending_again_is_for_the_same_request(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_lost_reply"))
    with pytest.raises(SubmissionUncertain):
        await send()
    with pytest.raises(NameTaken):
        await send(DOG, on_uncertain="resubmit")
    assert posts.sent == 1


async def test_another_request_does_not_wait_for_a_claim_that_is_not_its_own(send: Send) -> None:
    await abandoned(send)
    with pytest.raises(NameTaken):
        await send(DOG)
    assert not send.clock.slept


async def test_consent_to_send_again_is_not_for_each_retry_of_the_same_run(
    send: Send, posts: Posts, sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault("create_closed", times=None))
    with pytest.raises(SubmissionUncertain):
        await send(flow_run_id="first")
    for _ in range(3):
        with pytest.raises(SubmissionUncertain):
            await send(flow_run_id="second", on_uncertain="resubmit")
    assert posts.sent == 2


async def test_consent_stays_spent_whatever_others_do_meanwhile(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_closed", times=None))
    for run, sent in (("first", 1), ("second", 2), ("third", 3), ("second", 3), ("third", 3), ("second", 3)):
        with pytest.raises(SubmissionUncertain):
            await send(flow_run_id=run, on_uncertain="stop" if run == "first" else "resubmit")
        assert posts.sent == sent


async def test_failed_at_once(send: Send, posts: Posts, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("create_failed_inline"))
    with pytest.raises(VideoFailed, match="retry_failed"):
        await send()
    failed = await send.stored()
    assert failed.state is RecordState.FAILED
    assert failed.task_id
    with pytest.raises(VideoFailed, match=failed.task_id):
        await send()
    assert posts.sent == 1
    again = await send(retry_failed=True)
    assert again.state is RecordState.SUBMITTED
    assert again.task_id != failed.task_id
    assert again.earlier[0].task_id == failed.task_id
    assert (posts.sent, posts.billed) == (2, 1)
