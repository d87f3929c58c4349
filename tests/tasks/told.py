"""What Prefect's server was told, as whoever listens to it hears it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from uuid import uuid4

from prefect.events import Event, emit_event
from prefect.events.clients import PrefectEventSubscriber, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter

__all__ = ["Told"]


class Told:
    """Listens to events of some names that have `about` in their resource's id."""

    def __init__(self, subscriber: PrefectEventSubscriber, about: str) -> None:
        self._subscriber = subscriber
        self._about = about  # Prefect begins with what others were told a minute ago

    @classmethod
    @asynccontextmanager
    async def listening(cls, prefix: str, *, about: str) -> AsyncIterator[Self]:
        """Listen to the events whose names begin with `prefix`."""
        async with get_events_subscriber(EventFilter(event=EventNameFilter(prefix=[prefix, "test."]))) as subscriber:
            yield cls(subscriber, about)

    async def events(self) -> list[Event]:
        """Return what was told since the last time. All of it: an event of ours comes after the others."""
        last = f"test.{uuid4()}"
        emit_event(last, resource={"prefect.resource.id": "test"})
        found: list[Event] = []
        async with asyncio.timeout(30):
            async for event in self._subscriber:
                if event.event == last:
                    break
                found.append(event)
        return [event for event in found if self._about in event.resource.id]

    async def names(self) -> list[str]:
        """Return the same, each as a resource's name and what became of it."""
        return [f"{event.resource.name} {event.event.rpartition('.')[2]}" for event in await self.events()]
