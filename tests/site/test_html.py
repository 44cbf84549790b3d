"""What can be read off the built HTML: links, alternative texts, and nothing loaded from elsewhere."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from pages import SITE, built_pages, soup

A_FILE_NAME = re.compile(r"\.(svg|png|jpe?g|gif|webp)$", re.IGNORECASE)  # what Sphinx writes where there is no alt text


@cache
def anchors(path: Path) -> set[str]:
    return {tag[name] for name in ("id", "name") for tag in soup(path).find_all(attrs={name: True})}


def broken(path: Path, link: str) -> bool:
    """Whether a link of this page that stays within the site leads nowhere."""
    if urlsplit(link).scheme or link.startswith("//"):
        return False
    file, fragment = urldefrag(unquote(link))
    target = (path.parent / file.partition("?")[0]).resolve() if file else path
    if not target.is_file() or not target.is_relative_to(SITE):
        return True
    return bool(fragment) and fragment not in anchors(target)


def test_the_site_is_built():
    assert built_pages(), "run `make book` or `make html` first"


def test_links_within_the_site_lead_somewhere(page_path):
    links = [tag.get("href") or tag.get("src") for tag in soup(page_path).find_all(["a", "link", "script", "img"])]
    assert not [link for link in links if link and link != "#" and broken(page_path, link)]


def test_no_image_is_without_alt_text():
    images = [(page, image) for page in built_pages() for image in soup(page).find_all("img")]
    assert images
    assert not [
        f"{page.relative_to(SITE)}: {image}"
        for page, image in images
        if not image.get("alt", "").strip() or A_FILE_NAME.search(image["alt"])
    ]


def test_nothing_is_loaded_from_elsewhere(page_path):
    loaded = [tag.get("src") or "" for tag in soup(page_path).find_all(["script", "img", "iframe"])]
    loaded += [tag["href"] for tag in soup(page_path).find_all("link") if "canonical" not in tag.get("rel", [])]
    assert not [url for url in loaded if urlsplit(url).netloc]
