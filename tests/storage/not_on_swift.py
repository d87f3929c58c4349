"""What of the tests of buckets does not run on OpenStack Swift, and why.

All else that takes a bucket runs on moto and on Swift, where `conditional_writes` is off. docs/destinations.md says
what the first table means for users; what Swift does instead is tested in test_swift.py. A key is a test, or a file.
"""

_RACES = "its If-None-Match is not atomic and If-Match it refuses: of those who write at one moment, several may win"
_CONDITIONS = "the test is of conditional writes, which are off there"

# Each was seen to fail there.
EXCEPTIONS = {
    "test_adoption.py::test_of_two_at_once_one_gets_the_name": _RACES,
    "test_adoption.py::test_the_same_task_adopted_twice_at_once_is_one_record": _RACES,
    "test_stores.py::test_of_many_creators_one_wins": _RACES,
    "test_stores.py::test_of_many_changers_one_wins": _RACES,
    "test_s3.py::test_a_write_that_meets_another_is_tried_again": _CONDITIONS,
    "test_s3_conditions.py::test_a_server_that_ignores_a_condition_is_told_before_anything_is_sent": _CONDITIONS,
    "test_s3_conditions.py::test_a_server_that_refuses_a_condition_is_told_before_anything_is_sent": _CONDITIONS,
    "test_s3_conditions.py::test_a_server_is_tried_once_in_a_process": _CONDITIONS,
    "test_s3_conditions.py::test_each_bucket_of_a_server_is_tried": _CONDITIONS,
    "test_s3_conditions.py::test_a_check_that_could_not_be_made_is_made_again": _CONDITIONS,
    "test_reading.py::test_two_versions_of_an_object_are_never_mixed": "without conditions on writes, reads have none",
    "test_leases.py::test_a_slow_holder_is_followed_not_taken_for_dead": "its lease is the 2 s that a claim settles",
    "test_s3.py::test_options_of_a_video_and_its_record": "it knows no tags, no encryption and no storage classes",
    "test_s3_errors.py::test_rights": "it has no users with policies",
    "test_s3_errors.py::test_unknown_and_wrong_keys": "it can't tell an unknown access key from a wrong secret",
}

# What would show nothing there: another than the server answers, or none is asked.
NEEDLESS = (
    "test_s3_errors.py::test_answers",
    "test_s3_errors.py::test_without_an_answer",
    "test_s3_conditions.py::test_known_servers_are_not_asked",
    "test_links.py::test_another_store_has_no_console",
)

# The rules above a store, more than the store: half of the time. `DESTINATIONS=all make test` runs them there, too.
# Whole lives on Swift are in tests/flows and tests/crashes in any case.
LONG = (
    "test_adoption.py",
    "test_consent.py",
    "test_journal.py",
    "test_leases.py",
    "test_model.py",
    "test_outlook.py",
    "test_overtaken.py",
    "test_pending.py::test_the_cost_does_not_depend_on_what_is_completed",
    "test_pending_killed.py",
)
