"""Killed at any step in a folder, with videos on a disk: paid once, stored once, and no part file stays.

A step is what Python announces: a file opened, a name made, moved or removed, a folder listed. What a killed process
leaves is what lies in the folder. So it is enough to kill it once in each state that the folder is in on the way:
before each step that finds it changed, and after each opening of a new file, which is empty for a moment. `CRASHES=all`
kills before and after every single step all the same.
"""

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crashes.comebacks import come_back
from tests.crashes.events import Step, Watch
from tests.crashes.places import Folder
from tests.crashes.scenes import UNHURRIED, at_once, scene

pytestmark = pytest.mark.usefixtures("prefect_api")


class Point(NamedTuple):
    """Where a process ends itself."""

    after: bool
    step: Step

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} step {self.step}"


async def test_killed_at_any_step_in_a_folder(tmp_path: Path) -> None:
    steps = await record(tmp_path)
    found = await at_once(points(steps), partial(kill_and_come_back, folder=tmp_path))
    assert set(found) == {"", "submitting", "submitted", "completed"}


async def test_killed_while_the_poster_is_made(tmp_path: Path) -> None:
    """The video is stored by then; the next run makes what is missing, and removes what was half made."""
    late = [point for point in points(await record(tmp_path, poster=True)) if "hero.jpg" in point.step.text]
    found = await at_once(late, partial(kill_and_come_back, folder=tmp_path, poster=True))
    assert set(found) == {"completed"}


async def record(folder: Path, *, poster: bool = False) -> list[Step]:
    """Return the steps of a run that nothing happens to."""
    watch = Watch(folder / "clean-videos", folder / "clean-steps")
    async with scene(Folder(watch.folder, poster=poster), folder / "clean") as clean:
        await clean.work(watch=watch, options=UNHURRIED)
        clean.check_stored()
    return watch.steps()


def points(steps: list[Step]) -> list[Point]:
    if os.environ.get("CRASHES") == "all":
        return [Point(after, step) for step in steps for after in (False, True)]
    befores = [step for step, previous in zip(steps[1:], steps, strict=False) if step.before != previous.before]
    return [Point(after=False, step=step) for step in [steps[0], *befores]] + [
        Point(after=True, step=step) for step in steps if step.writes
    ]


async def kill_and_come_back(point: Point, *, folder: Path, poster: bool = False) -> str:
    name = f"{point.step.number}{'-after' if point.after else ''}"
    watch = Watch(folder / f"{name}-videos", folder / f"{name}-steps", point.step.number, point.after)
    async with scene(Folder(watch.folder, poster=poster), folder / name) as killed:
        await killed.crash(watch=watch)
        return await come_back(killed)
