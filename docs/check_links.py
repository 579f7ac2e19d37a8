"""Every link inside the built site leads somewhere: python docs/check_links.py docs/_build/html"""

import os
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page and the ids that links can lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.links += [attrs[key] for key in ("href", "src") if attrs.get(key)]


def broken(folder):
    """Pairs of a page and a link in it that leads nowhere."""
    pages = {
        path: Page(path) for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts
    }
    for path, page in pages.items():
        for link in page.links:
            scheme, host, to, _, fragment = urlsplit(link)
            if scheme or host:
                continue
            target = Path(os.path.normpath(path.parent / unquote(to))) if to else path
            target = target / "index.html" if target.is_dir() else target
            known = pages[target].ids if target in pages else ()
            if not target.exists() or (fragment and unquote(fragment) not in known):
                yield path.relative_to(folder), link


if __name__ == "__main__":
    site = Path(sys.argv[1]).resolve()
    if not (site / "index.html").exists():
        sys.exit(f"there is no site in {site}")
    found = list(broken(site))
    for page, link in found:
        print(f"{page}: {link}")
    sys.exit(bool(found))
