"""What machines read: previews of links (OpenGraph) on every page, and the sitemap."""

import struct
from xml.etree import ElementTree

from pages import ADDRESS, SITE, built_pages, listed_pages, soup


def previews(path) -> dict[str, str]:
    return {tag["property"]: tag["content"] for tag in soup(path).find_all("meta", property=True)}


def test_every_page_has_a_preview():
    for path in [*built_pages(), SITE / "404.html"]:
        tags = previews(path)
        assert tags["og:url"] == ADDRESS + path.relative_to(SITE).as_posix()
        assert tags["og:title"].strip(), path
        if path.parent != SITE:
            assert tags["og:title"] in soup(path).article.h1.get_text(), path
        assert len(tags["og:description"]) >= 40, path
        assert "\\" not in tags["og:description"], path  # TeX
        assert tags["og:site_name"]
        assert tags["og:image:alt"]


def test_the_picture_of_the_preview_is_there():
    for path in [*built_pages(), SITE / "404.html"]:
        tags = previews(path)
        assert tags["og:image"].startswith(ADDRESS)
        head = (SITE / tags["og:image"].removeprefix(ADDRESS)).read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", head[16:])
        assert (tags["og:image:width"], tags["og:image:height"]) == (str(width), str(height))


def test_the_sitemap_lists_the_pages_of_the_book():
    places = ElementTree.parse(SITE / "sitemap.xml").getroot().iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    assert sorted(place.text for place in places) == sorted(f"{ADDRESS}{name}.html" for name in listed_pages())
