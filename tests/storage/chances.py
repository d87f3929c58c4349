"""What chance decides in the lives of `test_model.py`."""

from hypothesis import strategies as st

from tests.storage.lives import ACCEPTED, DOUBTFUL, SURELY_NOT, Event

NAMES = ("first", "second", "clips/third", "clips/fourth", "fifth")
DAY = 86_400.0

names = st.sampled_from(NAMES)
whats = st.sampled_from(["a cat", "a cat", "a dog"])
faults = st.sampled_from([*ACCEPTED, *DOUBTFUL, *SURELY_NOT])
consents = st.sampled_from([{}, {}, {"on_uncertain": "resubmit"}, {"retry_failed": True}])
deeds = st.sampled_from(["dies", "away", "away long", "found dead", "sent again", "adopted"])
delays = st.sampled_from([1.0, 30.0, 30.0, 61.0, 2 * DAY])
query_faults = st.sampled_from(["", "", "", "query_html_502", "query_wrapped", "query_task_not_exist"])
file_faults = st.sampled_from(["", "", "", "file_expired", "file_truncated", "file_html", "file_cut", "file_reset"])


def plans(*steps: str) -> st.SearchStrategy[tuple[Event, ...]]:
    """Draw what happens to a run whose way has these steps: nothing, or one or two things."""
    event = st.builds(Event, st.sampled_from(steps), st.sampled_from([1, 1, 1, 2]), st.booleans(), deeds)
    return st.one_of(st.just(()), st.tuples(event), st.tuples(event, event))


submitting = plans("read", "mark", "create", "create", "replace", "replace", "unmark")
collecting = plans("read", "write", "commit", "replace", "sweep", "unmark")
adopting = plans("read", "mark", "create", "replace")
