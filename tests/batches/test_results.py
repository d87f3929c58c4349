"""A line of a results manifest: what it was asked for with comes back whole, or not at all."""

import pytest

from prefect_octopusx.api import CustomRequest, JimengRequest, VideoRequest, ViduRequest
from prefect_octopusx.batches import VideoItem, VideoResult, items_of, read_results, write_results

REQUESTS = [
    ViduRequest(model="viduq3-pro", prompt="`a` | b\n# c", duration=5),
    JimengRequest(model="jimeng-video-3.0", prompt="a", images=["https://example.com/a.png"], size="1080P"),
    CustomRequest.model_validate(
        {"family": "custom", "model": "new-1", "prompt": "a", "mood": None, "more": {"b": None}}
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.model)
def test_the_very_request_is_made_again(request_: VideoRequest) -> None:
    """Another digest would be another video: paid for under a name that the manifest could not use any more."""
    line = write_results([VideoResult.of(VideoItem(name="a", request=request_), None, error="lost")])
    (found,) = items_of(read_results(line, where="launch-results.jsonl"))
    assert found.request.digest == request_.digest
