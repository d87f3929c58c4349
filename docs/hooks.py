"""What the docs site does to the pages: those of the repository's top become pages of it, too.

README.md, CHANGELOG.md, CONTRIBUTING.md, SECURITY.md and LICENSE stay where GitHub wants them. Links between them and
the pages in docs/ are written for GitHub; here they become those of the site.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "license.md",
}
_LINK = re.compile(r"(?<=\]\()(?P<up>\.\./)*(?P<path>[\w./-]+)(?=[#)])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository's top."""
    for name, page in TOP.items():
        content = (ROOT / name).read_text("utf-8")
        if not name.endswith(".md"):
            content = f"# {name.capitalize()}\n\n```text\n{content}```\n"
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs names them
    """Let links lead to the site's pages."""
    top = page.file.src_uri in TOP.values()
    return _LINK.sub(lambda link: _on_the_site(link, top=top), markdown)


def _on_the_site(link: re.Match[str], *, top: bool) -> str:
    path = link["path"]
    if top:
        return TOP.get(path) or path.removeprefix("docs/")
    return TOP[path] if link["up"] and path in TOP else link[0]
