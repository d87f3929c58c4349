"""Pieces of artifacts that Prefect's UI shows as a page.

A markdown artifact may hold HTML, which the UI cleans of scripts and the like. All but headings are HTML here, without
a blank line, since markdown leaves that alone: so a text from a prompt can be escaped for sure.
"""

import re
from html import escape

from prefect_octopusx.api.redact import redact

__all__ = ["anchor", "heading", "human_bytes", "human_seconds", "picture", "plain", "shown", "table"]

_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What a browser does not show, or turns the text around that follows it."""


_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def plain(text: str) -> str:
    """Return any text without secrets, and without what a browser does not show."""
    return redact(_CONTROLS.sub("", text).strip())


def shown(text: str, *, longest: int = 200) -> str:
    """Return any text as HTML in one line: without secrets, shortened, escaped, its lines told apart by `<br>`."""
    text = plain(text)
    cut = f"{text[:longest].rstrip()} … ({len(text):,} characters)" if len(text) > longest else text
    return "<br>".join(escape(line) for line in cut.splitlines() if line.strip())


def heading(text: str) -> str:
    """Return a heading in markdown, with a blank line after it; the UI gives HTML's own no style everywhere."""
    escaped = _PUNCTUATION.sub(r"\\\g<0>", text)
    return f"## {escaped}\n\n"


def anchor(url: str, html: str) -> str:
    """Return a link around some HTML."""
    return f'<a href="{escape(url)}">{html}</a>'


def picture(url: str, alt: str, *, width: int) -> str:
    """Return a picture, `width` pixels wide where there is room."""
    return f'<img src="{escape(url)}" alt="{escape(alt)}" width="{width}">'


def table(rows: list[tuple[str, str]]) -> str:
    """Return a table of labels and values, which are HTML."""
    lines = [f"<tr><td><b>{shown(label)}</b></td><td>{value}</td></tr>" for label, value in rows]
    return "\n".join(["<table>", "<tbody>", *lines, "</tbody>", "</table>"])


def human_bytes(size: int) -> str:
    """Return a size for people: `1.2 MB`."""
    if size < 1000:
        return f"{size} bytes"
    value, units = float(size), iter(("kB", "MB", "GB", "TB"))
    unit = ""
    while value >= 1000:
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def human_seconds(seconds: float) -> str:
    """Return a time for people: `84 s`, `12 min`, `31 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
