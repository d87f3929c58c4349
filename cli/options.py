"""The options that several commands share."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from prefect_octopusx.cli.exits import Refused

__all__ = ["HOW", "Access", "How", "Output", "Pairs", "Seconds", "Switch", "Texts", "Where", "key_value"]

_WHERE = Group("Where to", sort_key=3)
_ACCESS = Group("Access", sort_key=4)
_OUTPUT = Group("Output", sort_key=9)

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
"""What is off unless it is named."""
Texts = list[str] | None
"""What may be named several times."""


def _above_0(_: object, value: float | None) -> None:
    if value is not None and not value > 0:  # NaN is not
        raise ValueError("It is above 0.")


Seconds = Annotated[float | None, Parameter(metavar="SECONDS", validator=_above_0)]
Pairs = Annotated[Texts, Parameter(metavar="FIELD=VALUE")]

HOW = Group("How", sort_key=5)


@Parameter(name="*", group=_OUTPUT)
@dataclass(frozen=True, kw_only=True)
class Output:
    """What is to be seen."""

    quiet: Annotated[Switch, Parameter(alias="-q", help="Print only addresses, a line each.")] = False
    json: Annotated[Switch, Parameter(help="Print one JSON document, and nothing else.")] = False
    verbose: Annotated[Switch, Parameter(alias="-v", help="Show Prefect's log, and tracebacks.")] = False


@Parameter(name="*", group=_WHERE)
@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the videos are."""

    to: Annotated[
        str | None,
        Parameter(
            metavar="PLACE",
            help="s3://bucket/prefix, or a folder. Left out: the saved block s3-destination/default, else the folder "
            "videos.",
        ),
    ] = None
    endpoint_url: Annotated[
        str | None,
        Parameter(metavar="URL", help="Of an S3 store that is not AWS; with s3://. As AWS_ENDPOINT_URL_S3."),
    ] = None
    destination: Annotated[
        str | None, Parameter(metavar="BLOCK", help="A saved block, such as s3-destination/archive, in place of --to.")
    ] = None


@Parameter(name="*", group=_ACCESS)
@dataclass(frozen=True, kw_only=True)
class Access:
    """Who asks."""

    credentials: Annotated[
        str | None,
        Parameter(
            metavar="NAME",
            help="A saved block of the kind octopusx-credentials. Left out: the one named default, else the Secret "
            "octopusx-api-key, else OCTOPUSX_API_KEY.",
        ),
    ] = None


@Parameter(name="*", group=HOW)
@dataclass(frozen=True, kw_only=True)
class How:
    """How videos are made, one or many."""

    sandbox: Annotated[
        Switch,
        Parameter(
            help="Try it with a sandbox that lives as long as this command: nothing is billed, the clips are samples."
        ),
    ] = False
    deadline: Annotated[
        Seconds,
        Parameter(
            help="Give up waiting so long after the submission of a video; 3600, or 49 hours for off-peak, if left out."
        ),
    ] = None
    poll_interval: Annotated[
        Seconds, Parameter(help="Time between looks at a video; a pacing that fits the model if left out.")
    ] = None
    on_uncertain: Annotated[
        Literal["stop", "resubmit"],
        Parameter(
            help="Where nobody knows whether an earlier create was accepted: stop, or resubmit at the risk of paying "
            "twice."
        ),
    ] = "stop"
    retry_failed: Annotated[Switch, Parameter(help="Try anew, and pay for, what failed or was refused.")] = False


def key_value(option: str, given: str) -> tuple[str, str]:
    """Return the two halves of `field=value`, as they were typed.

    Raises:
        Refused: It has none.
    """
    field, equals, value = given.partition("=")
    if not equals or not field.strip():
        raise Refused(f"{option}: give it as field=value (given: {given[:80]!r})")
    return field.strip(), value
