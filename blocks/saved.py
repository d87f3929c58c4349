"""How blocks are saved and loaded, as type checkers and editors see it: Prefect's own annotations lose the types."""

from typing import TYPE_CHECKING

from prefect.blocks.core import Block

if TYPE_CHECKING:
    from typing import Self
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient

__all__ = ["SavedBlock"]

if TYPE_CHECKING:

    class SavedBlock(Block):
        """A block that is loaded as what it is."""

        @classmethod
        async def aload(cls, name: str, validate: bool = True, client: PrefectClient | None = None) -> Self:
            """Return the block that is saved under a name."""

        @classmethod
        def load(cls, name: str, validate: bool = True, client: PrefectClient | None = None) -> Self:
            """Return the block that is saved under a name, in code without a running event loop; else use `aload`."""

        async def asave(
            self, name: str | None = None, overwrite: bool = False, client: PrefectClient | None = None
        ) -> UUID:
            """Save the block under a name."""

        def save(self, name: str | None = None, overwrite: bool = False, client: PrefectClient | None = None) -> UUID:
            """Save the block under a name, in code without a running event loop; else use `asave`."""

else:
    SavedBlock = Block  # no class of its own, which Prefect would take for a block to register
