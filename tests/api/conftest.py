"""Lets pytest explain the assertion of this folder's helper as it does those of tests."""

import pytest

pytest.register_assert_rewrite("tests.api.picture_requests")
