"""What can go wrong, as one tree of exceptions.

::

    OctopusXError
    ├── CredentialsMissing       no API key could be found
    ├── InvalidRequest           the gateway refused the request for good; nothing was submitted
    ├── AuthenticationError      401: the key is unknown, disabled, expired or used up
    ├── AccessDenied             403: this key may not do this (model, group, address)
    ├── QuotaExceeded            402, 403: the wallet or the key's quota is too low
    ├── EndpointNotFound         404, 501, redirect: `base_url` does not lead to this API
    ├── ModelUnavailable         503 `model_not_found`: no channel serves the model now
    ├── RateLimited              429: too many requests, or the upstream is saturated
    ├── CreatesStopped           a limit that the team shares lets no create through; nothing was sent
    ├── GatewayUnreachable       the request was never sent (DNS, connect, TLS)
    ├── GatewayError             the gateway answered a question badly (5xx, HTML, not JSON)
    │   └── NotSubmitted         a create that failed before it reached the upstream
    ├── SubmissionUncertain      a create without a certain answer: it may be billed
    ├── TaskNotFound             the gateway does not know this task id
    ├── VideoFailed              the API's final word on a video: it failed
    ├── VideoTimeout             the deadline passed; the video may still finish (also a `TimeoutError`)
    └── DownloadError            the video could not be fetched whole
        └── DownloadRefused      our own limits forbid it: its address, its size, or the time it takes

The storage layer adds its own branch (`prefect_octopusx.storage.errors`).

Two questions are answered once, here, by the class: may a create be sent again without asking anyone (`resend_safe`),
and may a query or a download be tried again (`retryable`). Every class survives pickling, because Prefect pickles them.
"""

from prefect_octopusx.api.redact import redact

__all__ = [
    "AccessDenied",
    "AuthenticationError",
    "CreatesStopped",
    "CredentialsMissing",
    "DownloadError",
    "DownloadRefused",
    "EndpointNotFound",
    "GatewayError",
    "GatewayUnreachable",
    "InvalidRequest",
    "ModelUnavailable",
    "NotSubmitted",
    "OctopusXError",
    "QuotaExceeded",
    "RateLimited",
    "SubmissionUncertain",
    "TaskNotFound",
    "VideoFailed",
    "VideoTimeout",
]


_LONGEST_DETAIL = 200  # characters


class OctopusXError(Exception):
    """Base of everything this package raises on purpose.

    The message is free of keys, signed URLs and inline images.

    Attributes:
        resend_safe: A create that ended with this error may be sent again by itself: it surely was not accepted.
        retryable: A query or a download that ended with this error may be tried again.
        status: The HTTP status, where there was an answer.
        code: The API's error code.
        request_id: The gateway's request id (`X-Oneapi-Request-Id`), for its support.
        task_id: The video's task id, where one is known.
        retry_after: Seconds the server asked to wait.
    """

    resend_safe: bool = False
    retryable: bool = False

    # Keyword arguments are optional so that pickle can rebuild the error from its message and then its attributes.
    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        task_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(redact(message))
        self.status = status
        self.code = _short(code)
        self.request_id = _short(request_id)
        self.task_id = task_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        details = [
            f"{label} {value}"
            for label, value in (("HTTP", self.status), ("code", self.code), ("request id", self.request_id))
            if value
        ]
        message = str(self.args[0]) if self.args else ""
        return f"{message} [{', '.join(details)}]" if details else message


def _short(told: str | None) -> str | None:
    """Return what a gateway calls a code or an id, which may be anything."""
    return told and redact(told, most=_LONGEST_DETAIL)


class CredentialsMissing(OctopusXError):
    """No API key could be found in any of the places where one may be."""


class InvalidRequest(OctopusXError):
    """The gateway or the model's vendor refused the request for good; nothing was submitted, nothing is billed."""


class AuthenticationError(OctopusXError):
    """401: the API key is unknown, disabled, expired or used up."""


class AccessDenied(OctopusXError):
    """403: the key is valid but may not do this: the model, the group or the caller's address is not allowed."""


class QuotaExceeded(OctopusXError):
    """402, 403: the wallet or the key's own quota is too low; nothing was submitted."""


class EndpointNotFound(OctopusXError):
    """The gateway has no such route, or answers with a redirect: `base_url` is probably wrong."""


class ModelUnavailable(OctopusXError):
    """503 `model_not_found`: no channel serves this model for this key now; nothing was submitted."""

    resend_safe = True
    retryable = True


class RateLimited(OctopusXError):
    """429: too many requests, or the upstream is saturated; nothing was accepted."""

    resend_safe = True
    retryable = True


class CreatesStopped(OctopusXError):
    """A limit that the team shares lets no create through, such as one of 0. Nothing was sent."""


class GatewayUnreachable(OctopusXError):
    """The request was never sent: the name did not resolve, or connecting (TCP or TLS) failed."""

    resend_safe = True
    retryable = True


class GatewayError(OctopusXError):
    """The gateway answered a question badly: a 5xx, HTML from a proxy, something that is not JSON, or no answer."""

    retryable = True


class NotSubmitted(GatewayError):
    """A create that failed inside the gateway before it reached the model's vendor."""

    resend_safe = True


class SubmissionUncertain(OctopusXError):
    """A create without a certain answer: the video may be in the making, and billed. Never sent again by itself."""


class TaskNotFound(OctopusXError):
    """The gateway does not know this task id (yet: it may answer so in the first seconds after a create)."""


class VideoFailed(OctopusXError):
    """The API's final word on a video: it failed. Carries the API's reason."""


class VideoTimeout(OctopusXError, TimeoutError):
    """The deadline passed before the video was ready. It may still finish, and is billed if it does."""


class DownloadError(OctopusXError):
    """The video could not be fetched whole: the link expired, the stream broke, or the bytes are not a whole mp4."""

    retryable = True


class DownloadRefused(DownloadError):
    """The video is not fetched: its address, its size or the time it takes is outside the limits that are set here."""

    retryable = False
