"""The page for addresses that do not exist. It is shown at any depth, so its links start at the root of the site."""

from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config

BODY = """<h1>There is no such page</h1>
<p>The address may be mistyped, or the page was renamed.
<a href="{prefix}index.html">Start at the beginning</a>, <a href="{prefix}search.html">search the book</a>,
or choose a chapter from the contents.</p>"""


def setup(app: Sphinx) -> dict:
    app.setup_extension("notfound.extension")
    app.connect(
        "config-inited", start_at_the_root, priority=400
    )  # before notfound checks its settings
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def start_at_the_root(app: Sphinx, config: Config) -> None:
    """The root is the path of the site's address, so a fork's page leads to the fork."""
    prefix = urlsplit(config.html_baseurl).path.rstrip("/") + "/"
    config.notfound_urls_prefix = prefix
    config.notfound_context = {
        "title": "There is no such page",
        "body": BODY.format(prefix=prefix),
    }
