"""`prefect-octopusx generate`: one video."""

import re
import secrets
from typing import Annotated, Literal

from cyclopts import Parameter

from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.fields import FIELDS, Fields, field_options, request_of
from prefect_octopusx.cli.options import HOW, Access, Output, Pairs, Seconds, Switch, Texts, Where
from prefect_octopusx.cli.perform import checked_name, perform
from prefect_octopusx.cli.places import place_of
from prefect_octopusx.cli.prefect_session import prefect_ready
from prefect_octopusx.cli.screen import Screen

__all__ = ["generate"]


def generate(
    prompt: str | None = None,
    /,
    *,
    model: str,
    name: str | None = None,
    image: Texts = None,
    fields: Annotated[Fields | None, Parameter("*")] = None,  # type: ignore[valid-type] # made from the models
    further: Annotated[Pairs, Parameter("--set", group=FIELDS)] = None,
    where: Where | None = None,
    access: Access | None = None,
    sandbox: Annotated[Switch, Parameter(group=HOW)] = False,
    wait: Annotated[bool, Parameter(group=HOW)] = True,
    deadline: Annotated[Seconds, Parameter(group=HOW)] = None,
    poll_interval: Annotated[Seconds, Parameter(group=HOW)] = None,
    on_uncertain: Annotated[Literal["stop", "resubmit"], Parameter(group=HOW)] = "stop",
    retry_failed: Annotated[Switch, Parameter(group=HOW)] = False,
    output: Output | None = None,
) -> int:
    """Make one video.

    Args:
        prompt: What the video shows.
        model: The model, such as viduq3-pro or jimeng-video-3.0. Its name decides which fields there are.
        name: The video's name at the destination, and what makes the request the same one next time. Left out, each
            call makes a new video, named for its prompt.
        image: A picture: a URL or a file. Can be repeated.
        fields: The fields of the request.
        further: Any other field, also of models that the docs do not list. Can be repeated.
        where: Where the videos are.
        access: Whose key.
        sandbox: Try it with a sandbox that lives as long as this command: nothing is billed, the clip is a sample.
        wait: Wait until it is stored; or only submit it, for `collect`.
        deadline: Give up waiting so long after the submission; 3600, or 49 hours for off-peak, if left out.
        poll_interval: Time between looks; a pacing that fits the model if left out.
        on_uncertain: Where nobody knows whether an earlier create was accepted: stop, or resubmit at the risk of paying
            twice.
        retry_failed: Try anew, and pay for, what failed or was refused.
        output: What is to be seen.
    """
    place, keys = where or Where(), access or Access()

    def work(screen: Screen) -> Exit:
        request = request_of(prompt, model, image or (), field_options(fields), further or ())
        video = checked_name(name) if name else _named_for(prompt or model)
        at = place_of(place)
        if sandbox and not wait:
            raise Refused("--sandbox: it ends with this command, so wait for the video (leave out --no-wait)")
        with prefect_ready(screen) as stays:
            from prefect_octopusx.cli.making import make  # noqa: PLC0415 - imports Prefect, which takes seconds

            return make(
                screen,
                request,
                video,
                at,
                keys,
                server_stays=stays,
                sandbox=sandbox,
                wait="process" if wait else "none",
                deadline=deadline,
                poll_interval=poll_interval,
                on_uncertain=on_uncertain,
                retry_failed=retry_failed,
            )

    return perform(output or Output(), work)


def _named_for(prompt: str) -> str:
    """Return a name that tells a person what it is, and that no other call has."""
    words = re.sub(r"\W+", "-", prompt.lower()).strip("-_")[:40].rstrip("-") or "video"
    return f"{words}-{secrets.token_hex(4)}"
