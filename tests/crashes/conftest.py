"""Lets pytest explain the assertions of this folder's helpers as it does those of tests."""

import pytest

pytest.register_assert_rewrite("tests.crashes.comebacks", "tests.crashes.scenes", "tests.flows.main_job")
