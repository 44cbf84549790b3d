"""In a running JupyterLab: the chapter's cell is run and its slider moved, and the words are the library's."""

import html
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from lorabook.explorers import RISK_OVER_SAMPLES

CELL = "from lorabook import explorers, widgets\n\nwidgets.show(explorers.RISK_OVER_SAMPLES)"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab over a folder with one notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "explorer.ipynb")
    log = folder / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    command += [
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=",
        "--ServerApp.quit_button=False",
    ]
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder)
    try:
        yield _address(server, log)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _address(server, log: Path) -> str:
    for _ in range(120):
        for word in log.read_text().split():
            if word.startswith("http://127.0.0.1:"):
                address = word.split("/lab")[0].rstrip("/")
                urllib.request.urlopen(address + "/api", timeout=10).close()
                return address
        assert server.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_the_risk_explorer_is_live(lab, chromium):
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(f"{lab}/lab/tree/explorer.ipynb?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    page.locator(".jp-Notebook .jp-InputArea-editor").first.click()
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')", timeout=60_000
    )
    page.keyboard.press("Shift+Enter")
    words = page.locator("p[role=status]")
    words.wait_for(timeout=60_000)
    assert words.text_content() == RISK_OVER_SAMPLES.picture().words
    image = page.locator(".jp-OutputArea img[src^='data:image/png']")
    before = image.get_attribute("src")

    noise = RISK_OVER_SAMPLES.controls[0]
    handle = page.locator(".noUi-handle").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    moved = noise.values[noise.values.index(noise.start) + 1]
    expected = RISK_OVER_SAMPLES.picture(**{noise.name: moved}).words
    page.wait_for_function(
        "text => document.querySelector('p[role=status]').textContent === text", arg=expected, timeout=20_000
    )
    assert image.get_attribute("src") != before
    assert html.escape(noise.label) in page.locator(".widget-inline-hbox").first.inner_html()

    page.get_by_role("button", name="Reset").click()
    start = RISK_OVER_SAMPLES.picture().words
    page.wait_for_function(
        "text => document.querySelector('p[role=status]').textContent === text", arg=start, timeout=20_000
    )
    page.close()
