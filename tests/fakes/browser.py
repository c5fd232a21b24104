"""A headless Chromium, driven by its own DevTools protocol: no driver to install, and its complaints are heard."""

from __future__ import annotations

import base64
import io
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
DEADLINE_SECONDS = 30.0
LARGEST_ANSWER = 64 * 2**20


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(DEADLINE_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])
            self._hear(message)

    def show_as(self, width: int, *, height: int = 900, scale: float = 1.0, dark: bool = False) -> None:
        """The size of the screen in CSS pixels, how many real ones each has, and the scheme that the reader likes."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        self.complaints.clear()
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, f"{expression}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        """All text under the first element of a selector, as it is shown."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def wait(self, expression: str, seconds: float = DEADLINE_SECONDS) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {expression}\n{self.text('body')}"
            time.sleep(0.05)

    def hears(self, text: str, seconds: float = DEADLINE_SECONDS) -> bool:
        """Whether the browser complains of something within that time: it does so when it comes to it."""
        deadline = time.monotonic() + seconds
        while not any(text in complaint for complaint in self.complaints):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
            self.value("true")
        return True

    def press(self, key: str) -> None:
        """A key of the keyboard: Tab, Enter."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13}[key]
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path, *, since: str = "body", height: int | None = None) -> Path:
        """The page as PNG of 256 colours, from the top of an element on; `height` in CSS pixels, else to the end."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        top = self.value(f"document.querySelector({json.dumps(since)}).getBoundingClientRect().top + scrollY")
        clip = {"x": 0, "y": top, "width": size["width"], "height": height or size["height"] - top, "scale": 1}
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(io.BytesIO(base64.b64decode(found["data"]))).convert("RGB").quantize(256).save(path, optimize=True)
        return path

    def _hear(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"])[:400])
        elif message["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")


@contextmanager
def open_browser(folder: Path) -> Iterator[Page]:
    """A tab of a browser of its own; skips the test where there is no browser."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is no browser here ({', '.join(NAMES)}): the page is not looked at")
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--no-proxy-server", "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={folder}",
        "about:blank",
    ]  # fmt: skip
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with connect(_tab(folder), max_size=LARGEST_ANSWER, proxy=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _tab(folder: Path) -> str:
    port, deadline = folder / "DevToolsActivePort", time.monotonic() + DEADLINE_SECONDS
    while not port.exists() or not port.read_text():
        assert time.monotonic() < deadline, (folder / "chromium.log").read_text(errors="replace")[-2_000:]
        time.sleep(0.05)
    answer = httpx.put(f"http://127.0.0.1:{port.read_text().split()[0]}/json/new", trust_env=False, timeout=10)
    return str(answer.json()["webSocketDebuggerUrl"])
