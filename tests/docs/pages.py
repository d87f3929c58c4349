"""The pages, and how their parts are read."""

import re
import shlex
from pathlib import Path

__all__ = ["BLOCK", "PAGES", "ROOT", "blocks", "calls", "file_name", "rows", "section", "text"]

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
_SAVED = re.compile(r"[Aa]s `(?P<name>[\w.]+)`[^`]*\Z")
_CELL = re.compile(r"(?<!\\)\|")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    """Return a page."""
    return (ROOT / name).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """Return what stands below the heading that has `heading` in it."""
    found = re.search(rf"^## [^\n]*{re.escape(heading)}[^\n]*\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading with {heading}"
    return found[1]


def rows(page: str) -> list[list[str]]:
    """Return the cells of all table rows of a text."""
    return [[cell.strip() for cell in _CELL.split(line)[1:-1]] for line in page.splitlines() if line.startswith("|")]


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [found["code"] for found in BLOCK.finditer(page) if found["language"] == language]


def file_name(before: str) -> str:
    """Return the name of the file that a block is to be saved as, by the words before it.

    They are, say: "Save this as `first.py`:".
    """
    found = _SAVED.search(before)
    assert found, f"where does the block go? {before[-200:]}"
    return found["name"]


def calls(page: str) -> list[list[str]]:
    """Return what is typed after `prefect-octopusx` wherever it is called, in a block or within a line."""
    typed = re.findall(r"^prefect-octopusx (.+)$", page.replace("\\\n", ""), re.MULTILINE)
    typed += re.findall(r"`prefect-octopusx ([^`\n]+)`", page)
    return [_until_the_shell_goes_on(shlex.split(call, comments=True)) for call in typed]


def _until_the_shell_goes_on(words: list[str]) -> list[str]:
    ends = [number for number, word in enumerate(words) if word in {">", "|", "&&", "||", ";", "&"}]
    return words[: min(ends, default=None)]
