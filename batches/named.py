"""Videos that are given in Python, by their names."""

from collections.abc import Mapping

from prefect_octopusx.api.requests import VideoRequest
from prefect_octopusx.batches.errors import Fault, refused
from prefect_octopusx.batches.rows import VideoItem
from prefect_octopusx.storage.names import check_name, folded

__all__ = ["named_items"]


def named_items(requests: Mapping[str, VideoRequest]) -> list[VideoItem]:
    """Return the videos of requests that are given by their names.

    Args:
        requests: What to make, by the names of the videos.

    Raises:
        ManifestError: Some names can't name videos, or can't be told apart in a folder; all are told.
    """
    items, faults = [], []
    taken: dict[str, str] = {}
    for given, request in requests.items():
        try:
            name = check_name(given)
        except ValueError as error:
            faults.append(Fault(place="requests", column="name", name=given, message=str(error).removeprefix("name: ")))
            continue
        other = taken.setdefault(folded(name), given)
        if other != given:
            message = f"{given!r} can't be told apart from {other!r} in every folder"
            faults.append(Fault(place="requests", column="name", name=given, message=message))
        items.append(VideoItem(name=name, request=request))
    if faults:
        raise refused("requests", faults)
    return items
