"""Let pages link to files of the repository: the site gets copies of them, below `repository/`.

The links in the pages stay relative to the repository, so that they work where its files are read directly.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)")


def outside(page: str, link: str) -> str | None:
    """Return the path in the repository of what a page links to.

    None for another page or picture of the docs.
    """
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path.startswith(("docs/", "..")) else path


def on_files(files: Files, config: Any) -> Files:
    """Add each file that a page links to outside the docs."""
    for page in files.documentation_pages():
        for link in LINK.findall(page.content_string):
            path = outside(page.src_uri, link)
            if path and files.get_file_from_path(f"repository/{path}") is None:
                files.append(File.generated(config, f"repository/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links that leave the docs to the copies."""
    source = page.file.src_uri

    def inside(found: re.Match[str]) -> str:
        path = outside(source, found[1])
        return (
            found[1] if path is None else posixpath.relpath(f"repository/{path}", posixpath.dirname(source))
        )

    return LINK.sub(inside, markdown)
