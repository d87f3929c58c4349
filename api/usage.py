"""What a key has used and may still use."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefect_octopusx.api.documented import fields_in_help
from prefect_octopusx.api.redact import redact
from prefect_octopusx.api.replies import read_time

__all__ = ["KeyUsage", "read_usage"]

_LONGEST_NAME = 200


@fields_in_help
class KeyUsage(BaseModel):
    """The quota of one API key, in the gateway's units (by its default, 500,000 units are one US dollar).

    With `unlimited`, the account's wallet decides, and this says nothing about it.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: str = Field(default="", description="What the key is called in the dashboard.")
    granted: float = Field(description="What it may use in all.")
    used: float = Field(description="What it has used.")
    available: float = Field(description="May be negative for an unlimited key, where it means nothing.")
    unlimited: bool = Field(default=False, description="Whether it has no quota of its own.")
    models: frozenset[str] | None = Field(default=None, description="The only models the key may use; None for all.")
    expires_at: datetime | None = Field(default=None, description="None: never.")


def read_usage(body: Mapping[str, Any]) -> KeyUsage | None:
    """Read the reply of `GET /api/usage/token/`; None unless its `code` is `true`, which alone means success."""
    data = body.get("data")
    if body.get("code") is not True or not isinstance(data, Mapping):
        return None
    limits = data.get("model_limits") if data.get("model_limits_enabled") else None
    try:
        return KeyUsage(
            name=redact(name, most=_LONGEST_NAME) if isinstance(name := data.get("name"), str) else "",
            granted=data.get("total_granted") or 0,
            used=data.get("total_used") or 0,
            available=data.get("total_available") or 0,
            unlimited=bool(data.get("unlimited_quota")),
            models=frozenset(limits) if isinstance(limits, Mapping) else None,
            expires_at=read_time(data.get("expires_at")),
        )
    except ValidationError:
        return None
