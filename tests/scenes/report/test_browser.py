"""The page in a real browser: nothing overflows, every picture is drawn, nothing is fetched, names run nothing.

Chromium is driven through the DevTools protocol, over a pipe: what is looked at is the file as it was written, its
content security policy in place. A window of 390 px is emulated, because ``--window-size`` gives no less than 500.
"""

import base64
import io
import json
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from equipoise.scenes.report import build_report
from tests.scenes.report.test_page import HOSTILE, write_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
MARKUP = "<script>document.title='x'</script>"
LONG = "leftImg8bit_" * 12
TIMEOUT_S = 30

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="found no chromium, chromium-browser or google-chrome on PATH"),
    pytest.mark.skipif(CHROMIUM.startswith("/snap/"), reason=f"{CHROMIUM}: a snap does not see the files of a test"),
]


class Browser:
    """One chromium: calls and their answers, JSON ended by a zero byte; what is told unasked is kept in ``events``."""

    def __init__(self, profile: Path, errors: Any) -> None:
        # The protocol's pipe is file descriptors 3 and 4.
        command = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh", CHROMIUM, *FLAGS]
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}"],
            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        self.errors = Path(errors.name)
        self.calls, self.unread, self.events = 0, b"", list[dict[str, Any]]()

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer to a call; a refused one fails the test."""
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        with suppress(BrokenPipeError):  # What reads the answer says why.
            self.process.stdin.write(json.dumps(message).encode() + b"\0")
        answer = self.message()
        while answer.get("id") != self.calls:
            self.events.append(answer)
            answer = self.message()
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def message(self) -> dict[str, Any]:
        """The next message, within a time."""
        end = time.monotonic() + TIMEOUT_S
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"chromium said nothing for {TIMEOUT_S} s"
            read = self.process.stdout.read(1 << 20)
            assert read, f"chromium ended: {self.errors.read_text(errors='replace')[-2000:]}"
            self.unread += read
        first, self.unread = self.unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(first)
        # Nothing else would be told until somebody answers the dialog.
        assert message.get("method") != "Page.javascriptDialogOpening", f"the page runs a script: {message['params']}"
        return message

    def close(self) -> None:
        """End it, by force where asking does not help."""
        try:
            self.call("Browser.close")
            self.process.wait(TIMEOUT_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()


class Tab:
    """A file, opened at a width as a phone or a desktop opens it, in light or dark."""

    def __init__(self, browser: Browser, path: Path, *, width: int, dark: bool = False, policy: bool = True) -> None:
        self.browser, self.width, self.path = browser, width, path
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        # A phone heeds the page's viewport; without one, it lays the page out 980 px wide.
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 700
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.setBypassCSP", enabled=not policy)
        self.call("Page.navigate", url=path.as_uri())
        self.wait("Page.loadEventFired")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def told(self, method: str) -> list[dict[str, Any]]:
        """What the browser told of this tab under a name."""
        mine = [event for event in self.browser.events if event.get("sessionId") == self.session]
        return [event["params"] for event in mine if event["method"] == method]

    def wait(self, method: str) -> None:
        while not self.told(method):
            self.browser.events.append(self.browser.message())

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise's once it is kept."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> Image.Image:
        """The whole page; the file stays in pytest's folder for who wants to look."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": self.width, "height": size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(taken))
        return Image.open(io.BytesIO(path.read_bytes()))

    def fetched(self) -> list[str]:
        """Every address asked for but the page's own and those that hold their data."""
        asked = [event["request"]["url"] for event in self.told("Network.requestWillBeSent")]
        assert self.path.as_uri() in asked
        return [url for url in asked if url != self.path.as_uri() and not url.startswith("data:")]


@contextmanager
def opened(browser: Browser, path: Path, *, width: int = 1280, **how: bool) -> Iterator[Tab]:
    tab = Tab(browser, path, width=width, **how)
    try:
        yield tab
    finally:
        browser.call("Target.closeTarget", targetId=tab.target)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    with (folder / "stderr").open("wb") as errors:
        started = Browser(folder / "profile", errors)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's page; its images' names hold markup, and one of its classes has a name that nothing breaks."""
    run = write_run(tmp_path_factory.mktemp("report") / "run")
    examples = json.loads((run / "pictures/examples.json").read_text())
    (run / "pictures/examples.json").write_text(json.dumps([example | {"name": MARKUP} for example in examples]))
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["per_image"][0]["name"] = MARKUP
    metrics["tasks"]["semantic"]["iou"][LONG] = 0.25
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "recipe.json").write_text(json.dumps({"note": HOSTILE, "path": LONG}))
    return build_report(run)


@pytest.fixture(scope="module", params=[1280, 390])
def page(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The page in light; looked at, never changed."""
    with opened(browser, report, width=request.param) as tab:
        yield tab


def test_light_and_dark(browser, report, page, tmp_path):
    light = page.screenshot(tmp_path / "light.png")
    with opened(browser, report, width=page.width, dark=True) as tab:
        dark = tab.screenshot(tmp_path / "dark.png")
    assert light.size == dark.size
    assert light.width == page.width
    assert light.height > 844
    assert ImageStat.Stat(light.convert("L")).mean[0] > 200
    assert ImageStat.Stat(dark.convert("L")).mean[0] < 80


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser, report, width):
    with opened(browser, report, width=width) as tab:
        tab.ask("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
        # Not against innerWidth alone: on a phone, that grows with what overflows.
        assert tab.ask("[innerWidth, document.documentElement.scrollWidth]") == [width, width]


def test_every_picture_is_decoded(page):
    sizes = page.ask("[...document.images].map(image => [image.naturalWidth, image.width, image.height])")
    assert len(sizes) == 5
    assert [size for size in sizes if size[0] != 64 or min(size) <= 0] == []


def test_every_chart_is_drawn(page):
    charts = page.ask("""[...document.querySelectorAll("svg")].map(chart => {
        const { left, right, width, height } = chart.getBoundingClientRect()
        const lines = [...chart.querySelectorAll("path.line")].map(line => line.getTotalLength())
        return { name: chart.ariaLabel, left, right, width, height, line: Math.min(...lines) }
    })""")
    # Raw loss, σ, weight and their product for each of two tasks; loss, rate, norm and speed of the whole.
    assert len(charts) == 12
    assert [c for c in charts if c["left"] < 0 or c["right"] > page.width] == []
    assert [c for c in charts if c["width"] < 100 or c["height"] < 40 or not c["line"] > 0] == []


def test_nothing_is_fetched(page):
    resources = page.ask("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in resources if not name.startswith("data:")] == []
    assert page.fetched() == []


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no-policy"])
def test_names_are_text_and_run_nothing(browser, report, policy):
    """Without the policy, too: what is escaped needs none."""
    with opened(browser, report, policy=policy) as tab:
        assert tab.ask("document.querySelector('.given .caption').textContent") == MARKUP
        assert tab.ask("document.images[0].alt") == f"the image {MARKUP}"
        assert tab.ask("[document.title, document.querySelectorAll('script').length]") == ["run · Equipoise", 0]


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no-policy"])
def test_the_policy_alone_stops_scripts_and_requests(browser, report, policy):
    """As if a name were not escaped. Without the policy both go through: so these tests would see it."""
    address = "http://equipoise.invalid/x.png"
    with opened(browser, report, policy=policy) as tab:
        tab.ask(f"""new Promise(done => {{
            const script = document.createElement("script"), image = new Image()
            script.textContent = "document.title = 'x'"
            image.onerror = () => done(0)
            image.src = "{address}"
            document.body.append(script, image)
        }})""")
        assert tab.ask("document.title") == ("run · Equipoise" if policy else "x")
        tab.wait("Network.loadingFailed")
        assert tab.fetched() == [address]
        reasons = [event.get("blockedReason") for event in tab.told("Network.loadingFailed")]
        assert reasons == ["csp" if policy else None]
