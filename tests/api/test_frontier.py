"""No fixed interval has fewer requests and sees videos sooner: by real waits in virtual time."""

import pytest

from tests.api.polling import every, ours, plain, videos

INTERVALS = (5, 10, 12, 15, 17, 20, 22, 25, 30)


def test_without_a_budget_no_fixed_interval_asks_less_often_and_sees_videos_sooner() -> None:
    made = videos(200, within=600)
    fixed = [plain(every(seconds), made) for seconds in INTERVALS]
    # Each video by itself, and many that learn from each other.
    for per_minute in (None, 60_000):
        for progress in (True, False):
            found = ours(made, per_minute=per_minute, progress=progress)
            as_often = [one for one in fixed if one.looks <= found.looks]
            assert as_often
            assert all(found.mean < 0.9 * one.mean for one in as_often)
            assert all(found.late < one.late for one in as_often)


@pytest.mark.parametrize("within", [pytest.param(150, id="a batch"), pytest.param(600, id="a stream")])
def test_under_a_budget_videos_are_seen_much_sooner_than_at_any_fixed_interval(within: float) -> None:
    made = videos(300, within=within)
    fixed = [plain(every(seconds), made, per_minute=120) for seconds in (5, 10, 20, 30)]
    for progress in (True, False):
        found = ours(made, per_minute=120, progress=progress)
        assert found.mean < 0.65 * min(one.mean for one in fixed)
        assert found.late < 0.8 * min(one.late for one in fixed)
        assert found.looks < 1.1 * min(one.looks for one in fixed)
