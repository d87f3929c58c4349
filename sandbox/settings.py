"""How a sandbox behaves while nothing goes wrong; what goes wrong is asked for with a `Fault`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["SandboxSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """The settings of a sandbox. All times are in seconds.

    Attributes:
        keys: The API keys that are accepted, each an account of its own; the first is the one to use.
        generation: How long a video takes.
        off_peak_generation: How long an off-peak Vidu video takes; None means three times `generation`.
        refresh: How often the gateway looks at a running job. A query shows what the last look saw, so states and
            progress move in steps, as they do on the real gateway (there about every 15 s). 0 means at every query.
        quota: The units that each key may spend; None means no limit.
        price: The units that a create costs. The real gateway counts 500 000 units as 1 USD by default.
        url_lifetime: How long the signed URL of a video stays valid.
        seed: Makes the task ids the same in every run; None draws new ones.
        clock: What time it is, as `time.time` says it; a test can turn its own.
    """

    keys: tuple[str, ...] = ("sk-sandbox",)
    generation: float = 8.0
    off_peak_generation: float | None = None
    refresh: float = 1.0
    quota: int | None = None
    price: int = 50_000
    url_lifetime: float = 86_400.0
    seed: int | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not self.keys or not all(self.keys):
            raise ValueError("a sandbox needs at least one key, and no key may be empty")
        if min(self.generation, self.off_peak_generation or 0, self.refresh, self.url_lifetime, self.price) < 0:
            raise ValueError("times and the price cannot be negative")

    def seconds_for(self, *, off_peak: bool) -> float:
        """Return how long a video takes."""
        if not off_peak:
            return self.generation
        return 3 * self.generation if self.off_peak_generation is None else self.off_peak_generation
