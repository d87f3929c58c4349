"""What tests of the network share; and pytest explains this folder's helper's assertion as it does those of tests."""

import pytest

pytest.register_assert_rewrite("tests.api.picture_requests")


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
