"""`prefect-octopusx generate`: one video."""

import re
import secrets
from typing import Annotated

from cyclopts import Parameter

from prefect_octopusx.cli.exits import Exit, Refused
from prefect_octopusx.cli.fields import FIELDS, Fields, field_options, request_of
from prefect_octopusx.cli.options import HOW, Access, How, Output, Pairs, Texts, Where
from prefect_octopusx.cli.perform import checked_name, perform
from prefect_octopusx.cli.places import place_of, samples_only
from prefect_octopusx.cli.prefect_session import prefect_ready
from prefect_octopusx.cli.screen import Screen

__all__ = ["generate"]

_OPTION = re.compile(r"--?[A-Za-z][\w-]*(=|$)")


def _no_option(_: object, prompt: str | None) -> None:
    """Let nobody pay for a mistyped option as a prompt."""
    if prompt is not None and _OPTION.match(prompt):
        raise ValueError("It is no option of this command, and a prompt does not look like one.")


def generate(
    prompt: Annotated[str | None, Parameter(allow_leading_hyphen=True, validator=_no_option)] = None,
    /,
    *,
    model: str,
    name: str | None = None,
    image: Texts = None,
    fields: Annotated[Fields | None, Parameter("*")] = None,  # type: ignore[valid-type] # made from the models
    further: Annotated[Pairs, Parameter("--set", group=FIELDS)] = None,
    where: Where | None = None,
    access: Access | None = None,
    how: How | None = None,
    wait: Annotated[bool, Parameter(group=HOW)] = True,
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
        how: How it is made.
        wait: Wait until it is stored; or only submit it, for `collect`.
        output: What is to be seen.
    """
    place, keys, so = where or Where(), access or Access(), how or How()

    def work(screen: Screen) -> Exit:
        request = request_of(prompt, model, image or (), field_options(fields), further or ())
        video = checked_name(name) if name is not None else _named_for(prompt or model)
        screen.document["name"] = video
        at = place_of(place)
        if so.sandbox:
            samples_only(at, keys)
            if not wait:
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
                wait="process" if wait else "none",
                **vars(so),
            )

    return perform(output or Output(), work)


def _named_for(prompt: str) -> str:
    """Return a name that tells a person what it is, and that no other call has."""
    words = re.sub(r"\W+", "-", prompt.lower()).strip("-_")[:40].rstrip("-") or "video"
    return f"{words}-{secrets.token_hex(4)}"
