"""The OctopusX unified video API: requests, replies, errors, the client, and when to ask. No Prefect, no boto3."""

from prefect_octopusx.api.client import OctopusXClient
from prefect_octopusx.api.errors import (
    AccessDenied,
    AuthenticationError,
    CreatesStopped,
    CredentialsMissing,
    DownloadError,
    DownloadRefused,
    EndpointNotFound,
    GatewayError,
    GatewayUnreachable,
    InvalidRequest,
    ModelUnavailable,
    NotSubmitted,
    OctopusXError,
    QuotaExceeded,
    RateLimited,
    SubmissionUncertain,
    TaskNotFound,
    VideoFailed,
    VideoTimeout,
)
from prefect_octopusx.api.looking import NotReady, look_once
from prefect_octopusx.api.pacing import next_delay
from prefect_octopusx.api.replies import TaskState, VideoTask
from prefect_octopusx.api.requests import (
    CustomRequest,
    GrokRequest,
    JimengRequest,
    RemixRequest,
    SoraRequest,
    VeoRequest,
    VideoRequest,
    ViduRequest,
)
from prefect_octopusx.api.scheduler import RequestScheduler
from prefect_octopusx.api.turns import Look
from prefect_octopusx.api.usage import KeyUsage
from prefect_octopusx.api.waiting import wait_until_final

__all__ = [
    # The client and what it returns
    "OctopusXClient",
    "VideoTask",
    "TaskState",
    "KeyUsage",
    # Requests
    "VideoRequest",
    "JimengRequest",
    "ViduRequest",
    "VeoRequest",
    "SoraRequest",
    "GrokRequest",
    "CustomRequest",
    "RemixRequest",
    # Waiting
    "wait_until_final",
    "look_once",
    "NotReady",
    "next_delay",
    "RequestScheduler",
    "Look",
    # Errors
    "OctopusXError",
    "CredentialsMissing",
    "InvalidRequest",
    "AuthenticationError",
    "AccessDenied",
    "QuotaExceeded",
    "EndpointNotFound",
    "ModelUnavailable",
    "RateLimited",
    "CreatesStopped",
    "GatewayUnreachable",
    "GatewayError",
    "NotSubmitted",
    "SubmissionUncertain",
    "TaskNotFound",
    "VideoFailed",
    "VideoTimeout",
    "DownloadError",
    "DownloadRefused",
]
