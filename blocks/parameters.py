"""Blocks as Prefect keeps them in a run's parameters."""

from typing import Any

__all__ = ["without_bookkeeping"]


def without_bookkeeping(data: Any, slug: str | None) -> Any:  # noqa: ANN401 - a validator's input
    """Drop what Prefect adds to a block that is passed to a run: which block type and which saved block it was.

    A run that is started from its stored parameters (`run_deployment`, Retry) must be able to read them, although
    unknown fields are refused. Another type's block is left as it is, to be refused or tried by a union's next member.
    """
    if not isinstance(data, dict) or data.get("block_type_slug", slug) != slug:
        return data
    return {key: value for key, value in data.items() if key not in _BOOKKEEPING}


_BOOKKEEPING = {"block_type_slug", "_block_document_id", "_block_document_name", "_is_anonymous"}
