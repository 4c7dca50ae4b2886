"""An annotator at the screen: headless Chromium on Label Studio's pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 90_000
SIZE = {"width": 1280, "height": 760}


@dataclass(frozen=True)
class Annotator:
    """A person who is logged in."""

    page: Page
    url: str

    def begin(self, project: int, picture: Path | None = None) -> None:
        """Press Label All Tasks, read the instructions (and take a picture of them), close them."""
        self.page.goto(f"{self.url}/projects/{project}/data?labeling=1")
        close = self.page.get_by_label("Close modal")
        close.wait_for()
        if picture is not None:
            self.page.wait_for_load_state("networkidle")
            self.page.screenshot(path=picture)
        close.click()
        close.wait_for(state="hidden")

    def choose(self, words: str) -> None:
        """Click a choice of the open task."""
        choice = self.page.locator(".lsf-choice").filter(has_text=words).get_by_role("radio")
        choice.click(force=True)  # the drawn circle covers it
        expect(choice).to_be_checked()

    def submit(self) -> int:
        """Press Submit; returns the number of the answer that the server has taken."""
        with self.page.expect_response(lambda r: r.request.method == "POST" and "/annotations" in r.url) as taken:
            self.page.get_by_test_id("bottombar-submit-button").click()
        return int(taken.value.json()["id"])


@contextmanager
def at_the_screen(url: str, email: str, password: str) -> Iterator[Annotator]:
    """A browser with this person logged in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            page.set_default_timeout(PATIENCE_MS)
            expect.set_options(timeout=PATIENCE_MS)
            page.goto(f"{url}/user/login/")
            page.fill("input[name=email]", email)
            page.fill("input[name=password]", password)
            page.click("button[type=submit]")
            page.wait_for_url(lambda there: "/user/login" not in there)
            yield Annotator(page, url)
        finally:
            browser.close()
