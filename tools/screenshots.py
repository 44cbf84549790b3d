"""Photograph every page of the built site, light and dark, on a desk and on a phone, into screenshots/."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tools import browser

ROOT = Path(__file__).resolve().parent.parent
SITE, ALBUM = ROOT / "_build" / "html", ROOT / "screenshots"


def main() -> None:
    pages = sorted((SITE / "book").rglob("*.html"))
    ALBUM.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.require(), args=browser.FLAGS)
        for scheme in ("light", "dark"):
            for width in (1280, 390):
                context = chromium.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
                )
                page = context.new_page()
                for path in pages:
                    page.goto(path.as_uri())
                    page.evaluate("() => window.MathJax?.startup?.promise")
                    page.wait_for_timeout(500)
                    name = "-".join(path.relative_to(SITE / "book").with_suffix("").parts)
                    page.screenshot(path=ALBUM / f"{name}-{scheme}-{width}.png", full_page=True)
                context.close()
        chromium.close()
    print(f"{len(list(ALBUM.glob('*.png')))} screenshots in {ALBUM}")


if __name__ == "__main__":
    main()
