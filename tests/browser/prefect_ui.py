"""Prefect's UI in a real browser, as a person uses it: the forms of runs and blocks, and the pages of runs.

The helpers here do not assert and know nothing of tests, so that a script for screenshots can use them too.
"""

import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from typing import Literal

import httpx
from playwright.async_api import Locator, Page, Response, Route, async_playwright

__all__ = ["PrefectUi", "chromium", "open_ui"]

# No sandbox of its own, which root can't have, and no calls to its makers.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_GRAPHS = {False: ["--disable-gpu"], True: ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]}
_PATIENCE = 60_000  # milliseconds for each step; a busy machine is no failure
_IS_FREE = "/block_documents/name/"  # asked for a name, which is free where there is none


def chromium() -> str | None:
    """Return the path of Chromium, if this machine has it."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.asynccontextmanager
async def open_ui(
    api: str,
    *,
    pictures_from: str | None = None,
    width: int = 1440,
    height: int = 1000,
    colours: Literal["light", "dark"] = "light",
    graphs: bool = False,
) -> AsyncIterator["PrefectUi"]:
    """Open the UI in a browser without any history.

    Args:
        api: The address of Prefect's API, which serves its UI beside it.
        pictures_from: The address of what else its pages may fetch from: posters, players.
        width: Of the window, in pixels.
        height: Of the window, in pixels.
        colours: What the person has set in the system.
        graphs: Whether the graphs of runs are drawn, for which the processor does a graphics card's work.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=[*_ARGUMENTS, *_GRAPHS[graphs]])
        context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours)
        context.set_default_timeout(_PATIENCE)
        try:
            yield await PrefectUi.of(await context.new_page(), api, pictures_from)
        finally:
            await browser.close()


class PrefectUi:
    """A page of the UI.

    Attributes:
        page: For what is not here.
        refusals: What Prefect's API refused.
    """

    def __init__(self, page: Page, api: str) -> None:
        self.page = page
        self.refusals: list[str] = []
        self._api = api
        self._address = api.removesuffix("/api")

    @classmethod
    async def of(cls, page: Page, api: str, pictures_from: str | None = None) -> "PrefectUi":
        ui = cls(page, api)
        here = tuple(filter(None, (ui._address, pictures_from)))
        page.on("response", ui._note_response)
        await page.route(lambda url: not url.startswith(here), _abort)
        return ui

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self._address}/v2/{path}")

    # Forms

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("tab", name=name, exact=True)

    def field(self, title: str) -> Locator:
        """Return the text, number or switch of a title."""
        return self.page.get_by_label(re.compile(rf"^{re.escape(title)}( \(Optional\))?$"))

    def choice(self, title: str) -> Locator:
        return self.page.get_by_label(f"Select {title}", exact=True)

    def group(self, title: str) -> Locator:
        """Return the field of a title with all around it: its description, and what is wrong."""
        label = self.page.locator("label", has_text=re.compile(rf"^{re.escape(title)}( \(Optional\))?$"))
        return self.page.locator("div.group").filter(has=label).last

    async def choose(self, title: str, value: str) -> None:
        await self.choice(title).click()
        await self._pick(value)

    async def choose_block(self, title: str, name: str) -> None:
        """Choose a saved block in the field of a title."""
        await self.group(title).get_by_text("Select a block...").click()
        await self._pick(name)

    async def add_item(self, title: str, text: str) -> None:
        """Add a text to the list of a title."""
        group = self.group(title)
        await group.get_by_role("button", name="Add item").click()
        await group.get_by_role("textbox").last.fill(text)

    # Runs

    async def open_run_form(self, deployment: str) -> None:
        """Open the Run form of a deployment, given as `FLOW/NAME`."""
        async with httpx.AsyncClient() as client:
            found = (await client.get(f"{self._api}/deployments/name/{deployment}")).raise_for_status().json()
        await self.open(f"deployments/deployment/{found['id']}/run")
        await self.page.get_by_text("Enforce Parameter Schema").wait_for()

    async def submit(self) -> Response:
        """Send the form, and return the server's answer: the run, or 409 and why not."""
        async with self.page.expect_response(re.compile("/create_flow_run$")) as answered:
            await self.page.get_by_role("button", name="Submit").click()
        return await answered.value

    async def open_run(self, run_id: str) -> None:
        await self.open(f"runs/flow-run/{run_id}")

    # Blocks

    async def new_block(self, slug: str, name: str) -> None:
        """Open the form for a new block of a type, and name it."""
        await self.open(f"blocks/catalog/{slug}/create")
        await self.page.get_by_label("Name", exact=True).fill(name)

    async def edit_block(self, block_id: str) -> None:
        await self.open(f"blocks/block/{block_id}/edit")
        await self.page.get_by_role("button", name="Save").wait_for()

    async def save_block(self) -> str:
        """Send the form, and return the block's id."""
        await self.page.get_by_role("button", name="Save").click()
        await self.page.wait_for_url(re.compile(r"/blocks/block/[0-9a-f-]{36}$"))
        return self.page.url.rpartition("/")[2]

    async def _pick(self, name: str) -> None:
        option = self.page.get_by_role("option", name=name, exact=True)
        await option.click()
        await option.wait_for(state="detached")  # the list closes with an animation, and would lie over the next field

    def _note_response(self, response: Response) -> None:
        if response.status >= 400 and response.url.startswith(self._api) and _IS_FREE not in response.url:
            self.refusals.append(f"{response.status} {response.url}")


async def _abort(route: Route) -> None:
    """Let nothing out: fonts, logos and statistics of others are no part of this."""
    await route.abort()
