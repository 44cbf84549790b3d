"""The whole site in one file, to read without a network: made when everything else of the site is there.

The same site gives the same bytes: names are in order, and every file carries the same date.
"""

import zipfile
from pathlib import Path

from sphinx.application import Sphinx

NAME = "lorabook-offline.zip"
FOLDER = "lorabook"  # what unpacking makes
LEFT_OUT = {
    NAME,
    ".buildinfo",
    ".nojekyll",
    "404.html",
    "sitemap.xml",
}  # of use to a server only
LAST = 999  # of the handlers of Sphinx's event
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip file can say


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", pack, priority=LAST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def pack(app: Sphinx, exception: Exception | None) -> None:
    """Write the file into the site's root. In it, the link to itself leads to the published one."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    link, published = f'href="../{NAME}"', f'href="{app.config.html_baseurl}{NAME}"'
    with zipfile.ZipFile(
        site / NAME, "w", zipfile.ZIP_DEFLATED, compresslevel=6
    ) as archive:
        names = (path.relative_to(site) for path in site.rglob("*") if path.is_file())
        for name in sorted(name.as_posix() for name in names):
            if name in LEFT_OUT:
                continue
            path = site / name
            content = path.read_bytes()
            if path.suffix == ".html":
                content = content.replace(link.encode(), published.encode())
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
