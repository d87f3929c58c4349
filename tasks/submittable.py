"""How async tasks are called and submitted, as type checkers and editors see it.

Prefect's own annotations give `submit(...).result()` of an async task the type of a coroutine, and lose that the task
is to be awaited where its state is asked for. At run time nothing is changed.
"""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, Unpack, cast, overload

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.tasks import TaskOptions

__all__ = ["AsyncTask", "submittable"]

P = ParamSpec("P")
T = TypeVar("T")

if TYPE_CHECKING:

    class AsyncTask(Task[P, Coroutine[Any, Any, T]]):
        """A task that is a coroutine function."""

        @overload  # type: ignore[override] # that is the point
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]: ...
        @overload
        def __call__(
            self, *args: object, return_state: Literal[True], **kwargs: object
        ) -> Coroutine[Any, Any, State[T]]: ...
        @overload
        def __call__(
            self, *args: object, wait_for: object, return_state: Literal[False] = False, **kwargs: object
        ) -> Coroutine[Any, Any, T]: ...
        def __call__(self, *args: object, **kwargs: object) -> object:
            """Run the task; to be awaited."""

        @overload  # type: ignore[override] # that is the point
        def submit(self, *args: P.args, **kwargs: P.kwargs) -> PrefectFuture[T]: ...
        @overload
        def submit(self, *args: object, return_state: Literal[True], **kwargs: object) -> State[T]: ...
        @overload
        def submit(
            self, *args: object, wait_for: object, return_state: Literal[False] = False, **kwargs: object
        ) -> PrefectFuture[T]: ...
        def submit(self, *args: object, **kwargs: object) -> object:
            """Start the task in the background, also from sync code."""

        def with_options(self, **options: Unpack[TaskOptions]) -> Self:  # type: ignore[override] # so is this
            """Return a task with some options changed."""

else:
    AsyncTask = Task


def submittable(task: "Task[P, Coroutine[Any, Any, T]]") -> "AsyncTask[P, T]":
    """Return the task as it is, with types that fit."""
    return cast("AsyncTask[P, T]", task)
