"""What other sites show of a page that is linked there (OpenGraph): on every page, also those that Sphinx makes.

`sphinxext.opengraph` makes the tags of the pages of the book. It cuts their text anywhere and keeps TeX, so the
description is chosen here: whole sentences, up to the first formula. Pages without a source (search, indices, not
found), which it leaves out, get the book's description. The picture is the README's, on white.
"""

import re
from pathlib import Path

import vl_convert
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinxext.opengraph import make_tag

SOURCE = Path(__file__).parent.parent / "_static" / "answer.svg"
PICTURE = "_static/preview.png"
WIDTH, HEIGHT, MARGIN = 1200, 630, 24  # in pixels, as the sites that show previews ask
LENGTH = 240  # of a description, in characters
SENTENCE_END = re.compile(r"(?<=[.?!])\s+")
# The start of a saved figure, up to the size that it has of its own.
SIZED = re.compile(r'^.*?<svg [^>]*?width="[^"]*" height="[^"]*" (viewBox)', re.DOTALL)


def setup(app: Sphinx) -> dict:
    app.setup_extension("sphinxext.opengraph")
    app.add_config_value("preview_text", "", "html")
    app.connect("config-inited", complete)
    app.connect("builder-inited", draw_picture)
    app.connect("html-page-context", describe, priority=400)  # before opengraph's own
    app.connect("html-page-context", add_tags, priority=900)  # after opengraph's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def complete(app: Sphinx, config: Config) -> None:
    """Addresses follow the site's, so that a fork's pages name the fork."""
    config.ogp_site_url = config.html_baseurl
    config.ogp_image = PICTURE
    width, height = (
        make_tag("og:image:width", str(WIDTH)),
        make_tag("og:image:height", str(HEIGHT)),
    )
    config.ogp_custom_meta_tags = (
        width,
        height,
        make_tag("twitter:card", "summary_large_image", "name"),
    )


def draw_picture(app: Sphinx) -> None:
    """The README's figure in the middle of a white card."""
    if app.builder.format != "html":
        return
    box = f'x="{MARGIN}" y="{MARGIN}" width="{WIDTH - 2 * MARGIN}" height="{HEIGHT - 2 * MARGIN}"'
    figure = SIZED.sub(rf"<svg {box} \1", SOURCE.read_text("utf-8"))
    ground = '<rect width="100%" height="100%" fill="white"/>'
    names = (
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    card = f'<svg {names} width="{WIDTH}" height="{HEIGHT}">{ground}{figure}</svg>'
    target = Path(app.outdir, PICTURE)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(vl_convert.svg_to_png(card))


def describe(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: nodes.document | None,
) -> None:
    """Choose the words for a page of the book."""
    if doctree is None:
        return
    text = first_words(doctree) or app.config.preview_text
    context["meta"] = {**(context.get("meta") or {}), "og:description": text}
    context["metatags"] = context.get("metatags", "") + make_tag(
        "description", text, "name"
    )


def first_words(doctree: nodes.document) -> str:
    """The page's own first sentences, up to one with a formula or to a length that previews show."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section):
            continue
        for sentence in SENTENCE_END.split(paragraph.astext().replace("\n", " ")):
            if "\\" in sentence or not sentence.endswith((".", "?", "!")):
                return text
            if len(text) + len(sentence) > LENGTH:
                return text
            text = f"{text} {sentence}".strip()
    return text


def add_tags(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict,
    doctree: nodes.document | None,
) -> None:
    """Tags for a page without a source."""
    if doctree is not None:
        return
    config, site = app.config, app.config.ogp_site_url
    tags = {
        "og:title": re.sub(r"<[^>]+>", "", context.get("title", config.project)),
        "og:type": config.ogp_type,
        "og:url": site + app.builder.get_target_uri(pagename),
        "og:site_name": config.ogp_site_name,
        "og:description": config.preview_text,
        "og:image": site + config.ogp_image,
        "og:image:alt": config.ogp_image_alt,
    }
    lines = [
        *(make_tag(name, text) for name, text in tags.items()),
        *config.ogp_custom_meta_tags,
    ]
    lines.append(make_tag("description", config.preview_text, "name"))
    context["metatags"] = context.get("metatags", "") + "\n".join(lines)
