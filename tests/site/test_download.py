"""The site in one file is the site: the same files, and it reads without a network."""

import zipfile

import pytest
from pages import SITE, wait_until_drawn

NAME = "lorabook-offline.zip"
FOR_SERVERS = {NAME, ".buildinfo", ".nojekyll", "404.html", "sitemap.xml"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("offline")
    with zipfile.ZipFile(SITE / NAME) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.xdist_group("download")
def test_it_holds_every_file_of_the_site(unpacked):
    assert [path.name for path in unpacked.iterdir()] == ["lorabook"]
    files = {path.relative_to(SITE): path for path in SITE.rglob("*") if path.is_file()}
    copies = {path.relative_to(unpacked / "lorabook"): path for path in unpacked.rglob("*") if path.is_file()}
    assert set(copies) == {path for path in files if str(path) not in FOR_SERVERS}
    different = {str(path) for path in copies if copies[path].read_bytes() != files[path].read_bytes()}
    assert different == {"book/this_build.html"}  # its link to the download, which is not in the download


@pytest.mark.xdist_group("download")
def test_it_carries_no_time_of_its_own():
    """So that the same site gives the same bytes."""
    with zipfile.ZipFile(SITE / NAME) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


@pytest.mark.xdist_group("download")
def test_it_opens_by_its_index(unpacked, tab):
    lost = []
    tab.on("requestfailed", lambda request: lost.append(request.url))
    tab.goto((unpacked / "lorabook" / "index.html").as_uri())
    tab.wait_for_url("**/start_here.html")
    tab.locator("article").get_by_role("link", name="The LoRA solution").first.click()
    tab.wait_for_url("**/lora.html")
    wait_until_drawn(tab)
    assert tab.locator("mjx-container").count() > 20
    assert not lost
