"""Chromium, driven through the DevTools protocol over a pipe: for the tests of a page, and to look at one."""

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

from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
TIMEOUT_S = 30


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
