"""What all requests share: the body on the wire, what is kept of it, its digest, its form, its error messages.

Rules come in two weights. A hard rule refuses a request before money is spent, as a `ValidationError`. It names every
field that is wrong by itself; where there is none, it names whatever the rules between fields refuse. A soft rule only
warns: `warnings()` has the sentences, and the client logs them when it sends.

Codes such as V-5 in comments stand for the rules that docs/rules.md lists with their sources.
"""

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.redact import redact, redact_image, redact_url
from prefect_octopusx.api.requests import images as pictures
from prefect_octopusx.api.requests.forms import make_form
from prefect_octopusx.api.requests.messages import Problem, refusal, rule, shown
from prefect_octopusx.api.schemas import SchemaOnce

__all__ = ["CUSTOM_HINT", "DoubtAllowed", "LowerCase", "RequestBase", "UpperCase", "VideoRequestBase", "not_blank"]

CUSTOM_HINT = 'for what the docs do not list, use CustomRequest (in JSON: "family": "custom")'


def _cased(change: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


LowerCase = _cased(str.lower)
"""Vidu writes `720p` ..."""
UpperCase = _cased(str.upper)
"""... and the other families `720P`; either is taken from the user."""


def not_blank(value: str, info: ValidationInfo) -> str:
    """Refuse a text of nothing but spaces."""
    if not value.strip():
        raise rule(f"`{info.field_name}` must not be blank (given: {shown(value)})")
    return value


class RequestBase(SchemaOnce, BaseModel):
    """A request: strict, frozen, without unknown fields. Fields that are None are left to the vendor (V-19)."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_extra=make_form,
    )

    not_sent: ClassVar[frozenset[str]] = frozenset()
    """Fields that steer this package and never go on the wire."""
    instead: ClassVar[Mapping[str, str]] = {}
    """Fields of other families, and which field of this one says the same (V-18)."""
    way_out: ClassVar[str] = ""
    """What to add to a message about something that the vendor's pages do not list."""
    picture_limits: ClassVar[pictures.Limits] = pictures.UNSTATED
    """What is refused of pictures."""
    form_rules: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Rules between fields that the form checks too, as JSON schemas of the request."""

    @property
    def digest(self) -> str:
        """SHA-256 of what is recorded: equal for equal requests, in every process.

        Raises:
            OSError: A local picture is gone or cannot be read.
        """
        return hashlib.sha256(json.dumps(self.recorded(), sort_keys=True).encode()).hexdigest()

    @property
    def is_off_peak(self) -> bool:
        """Whether the vendor may take up to two days."""
        return False

    @property
    def local_pictures(self) -> tuple[str, ...]:
        """The pictures that are files of this machine."""
        images = map(str, getattr(self, "images", ()))
        return tuple(image for image in images if not (pictures.is_url(image) or pictures.is_inline(image)))

    def body(self) -> dict[str, Any]:
        """Return the JSON body to send.

        Raises:
            OSError: A local picture is gone or cannot be read.
            ValueError: A local picture has changed into something that cannot be sent, or a URL's query was not kept.
        """
        for name, value in self:
            if name != "prompt" and pictures.is_cut(value):
                raise ValueError(f"`{name}`: {pictures.QUERY_GIVEN}")
        return self._sent(lambda image: pictures.encoded(image, self.picture_limits))

    def recorded(self) -> dict[str, Any]:
        """Return the body as records may keep it: no inline pictures, no URL queries, no passwords.

        Raises:
            OSError: A local picture is gone or cannot be read.
        """
        body = self._sent(pictures.kept)
        return {
            name: value if name in {"prompt", "images"} else _kept(pictures.masked(value))
            for name, value in body.items()
        }

    def restorable(self) -> dict[str, Any] | None:
        """Return the fields from which this request can be made again; None if some of it may not be kept.

        Inline and local pictures may not, nor URLs with a query, which may be signed.

        Raises:
            OSError: A local picture is gone or cannot be read.
        """
        if self.recorded() != self._sent(str):
            return None
        # As in `_sent`: a null of a field that the vendor alone knows is sent, and part of the digest.
        fields = {name: value for name, value in self if value is not None or name not in type(self).model_fields}
        return fields | {name: list(value) for name, value in fields.items() if isinstance(value, tuple)}

    def warnings(self) -> tuple[str, ...]:
        """Return what soft rules find: one sentence a finding, each naming its field.

        Raises:
            ValueError: A local picture is gone or has changed into something that cannot be sent.
        """
        return tuple(self._findings())

    def _sent(self, picture: Callable[[str], str]) -> dict[str, Any]:
        return {
            name: [picture(image) for image in value] if name == "images" else value
            for name, value in self
            if name not in self.not_sent and (value is not None or name not in type(self).model_fields)
        }

    def _problems(self) -> Iterator[Problem]:
        """Yield what the hard rules that need the whole request refuse."""
        for name, value in self:
            if isinstance(value, str) and "\0" in value:  # PostgreSQL, where Prefect keeps it, takes none
                yield Problem((name,), f"`{name}` must not have NUL characters (given: {shown(value)})")
            if name != "prompt" and pictures.has_placeholder(value):
                yield Problem((name,), f"`{name}`: {pictures.PLACEHOLDER_GIVEN}")

    def _findings(self) -> Iterator[str]:
        """Yield what the soft rules find."""
        yield from ()

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: object) -> None:
        fields_in_help(cls)

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        try:
            request = handler(data)
        except ValidationError as error:
            raise refusal(cls._title(), map(cls._explained, error.errors(include_url=False))) from None
        problems = list(cls._problems(request))
        if problems:
            raise refusal(cls._title(), problems)
        return request

    @classmethod
    def _title(cls) -> str:
        return cls.model_config.get("title") or cls.__name__

    @classmethod
    def _explained(cls, error: Mapping[str, Any]) -> Problem:
        loc, kind, message = error["loc"], error["type"], error["msg"]
        if kind == "missing":
            return Problem(loc, f"{message}: `{loc[-1]}`", kind)
        if kind == "extra_forbidden":
            return Problem(loc, cls._foreign(str(loc[-1])), kind)
        if kind != "rule":
            message = f"{message} (given: {shown(error['input'])})"
        if loc == ("model",) and kind in {"literal_error", "string_pattern_mismatch"}:
            message += cls.way_out
        return Problem(loc, message, kind)

    @classmethod
    def _foreign(cls, name: str) -> str:
        message = f"`{name}` is not a field of {cls._title()} requests"
        if name == "family":
            return f"{message}: the family follows from `model`"
        close = difflib.get_close_matches(name, cls.model_fields, n=1, cutoff=0.75)
        known = cls.instead.get(name) or (close[0] if close else None)
        return f"{message}: use `{known}`" if known else message + cls.way_out

    @model_serializer(mode="wrap")
    def _serialized(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # This is what Prefect keeps as a flow's parameters, so no picture may be in it.
        return {
            name: value if name == "prompt" else pictures.masked(value)
            for name, value in handler(self).items()
            if value is not None or name not in type(self).model_fields
        }

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        for name, value in self:
            if value is None:
                continue
            if name == "images":
                yield name, [redact_image(image) for image in value]
            else:
                kept = _kept(pictures.masked(value))
                yield name, f"{kept[:200]}…" if isinstance(kept, str) and len(kept) > 200 else kept


class DoubtAllowed(RequestBase):
    """A request of a family whose page leaves things in doubt that can be sent all the same.

    It stands beside `VideoRequestBase`, and after it in a family's bases: that puts its field first, where the
    validators of the other fields find its value. The form shows it last.
    """

    not_sent: ClassVar[frozenset[str]] = frozenset({"allow_undocumented"})

    allow_undocumented: bool = False
    """Send also what is refused only because the vendor's page leaves it in doubt. Not sent itself. Our default:
    false."""


class VideoRequestBase(RequestBase):
    """What the requests for a new video share."""

    way_out = f"; {CUSTOM_HINT}"
    pictures_inline: ClassVar[Literal["yes", "no", "undocumented"]] = "no"
    """Whether pictures may be sent along; where not, the vendor fetches each from a URL."""

    model: str
    """The model's name."""
    prompt: str | None = None
    """What the video shows."""
    images: Sequence[str | Path | bytes] = Field(default=())
    """Pictures; a tuple, whatever was given."""

    @field_validator("prompt", mode="after")
    @classmethod
    def _prompt_is_not_blank(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        if prompt is not None and cls.model_fields["prompt"].is_required():
            return not_blank(prompt, info)
        return prompt if prompt and prompt.strip() else None

    @field_validator("images", mode="before")
    @classmethod
    def _pictures_are_usable(cls, images: object, info: ValidationInfo) -> object:
        if not isinstance(images, list | tuple):
            raise rule(f"`images` is a list, also for one picture (given: {shown(images)})")
        allowed = cls.pictures_inline == "yes" or (
            cls.pictures_inline == "undocumented" and info.data.get("allow_undocumented") is True
        )
        usable: list[str] = []
        problems: list[Problem] = []
        for index, image in enumerate(images):
            try:
                usable.append(cls._usable(image, allowed=allowed))
            except ValueError as error:
                problems.append(Problem((index,), str(error)))
        if problems:
            raise refusal(cls._title(), problems)
        return tuple(usable)

    @classmethod
    def _usable(cls, image: object, *, allowed: bool) -> str:
        if not allowed and not (isinstance(image, str) and pictures.is_url(image.strip())):
            raise rule(
                f"{cls._title()} takes URLs only: upload the picture to where the vendor can reach it and give its URL,"
                f" for instance a presigned one (given: {shown(image)})"
            )
        return pictures.normalised(image, cls.picture_limits)

    def _images(self) -> list[str]:
        """Return the pictures as validation left them: URLs, data URIs and paths."""
        return [str(image) for image in self.images]

    def _unusual_pictures(self) -> Iterator[str]:
        """Yield what there is to warn of where the vendor's page states no kinds of pictures."""
        for number, image in enumerate(self._images(), 1):
            if kind := pictures.doubtful_kind(image):
                yield f"`images`: picture {number} is {kind}; only png, jpeg and webp are likely to work."


def _kept(value: object) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if isinstance(value, str):
        if pictures.is_inline(value):
            return value  # masked already
        return redact_url(value) if pictures.is_url(value) else redact(value)
    if isinstance(value, list):
        return [_kept(item) for item in value]
    if isinstance(value, dict):
        return {name: _kept(item) for name, item in value.items()}
    return value
