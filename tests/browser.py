"""A real headless Chromium for tests, driven by the Chrome DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --disable-dev-shm-usage
    --remote-debugging-port=0 --hide-scrollbars
"""
SECONDS = 60  # that an answer may take, on a busy machine


class Browser:
    """One tab. Methods of the protocol are called by name: ``call("Page.navigate", url=...)``."""

    def __init__(self, socket):
        self.socket, self.number, self.errors, self.requests = socket, 0, [], []

    def call(self, method, **params):
        """Send a command, and return its result; note errors and requests of the page."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message.get("method"), message.get("params"))

    def _note(self, event, params):
        if event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def run(self, code):
        """The value of a JavaScript expression, or of the promise that it is."""
        how = {"returnByValue": True, "awaitPromise": True}
        found = self.call("Runtime.evaluate", expression=code, **how)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition, seconds=SECONDS):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, f"{condition} did not become true: {self.errors}"
            time.sleep(0.05)

    def open(self, path):
        """Open a file."""
        self.errors.clear()
        self.requests.clear()
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def size(self, width, height, scale=1, dark=False, touch=False):
        """Set the screen in CSS pixels, the reader's choice of colors, and a touch screen."""
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale}
        self.call("Emulation.setDeviceMetricsOverride", **metrics, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def key(self, key, modifiers=0):
        """Press and release a key, named as in JavaScript."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"Enter": 13, "Tab": 9, " ": 32}.get(key, 0)
        event = {"key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def drag(self, points):
        """Press the mouse at the first point of the screen, move it, and let go."""
        kinds = ["mousePressed"] + ["mouseMoved"] * (len(points) - 1)
        for kind, (x, y) in zip(kinds, points, strict=True):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        x, y = points[-1]
        how = {"type": "mouseReleased", "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", x=x, y=y, **how)

    def swipe(self, points):
        """Put a finger on the first point of the screen, move it, and lift it."""
        kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1)
        for kind, (x, y) in zip(kinds, points, strict=True):
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def screenshot(self, path):
        """Write a picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(found["data"]))


@contextmanager
def chromium(folder):
    """A `Browser` with a profile of its own in a folder; the test is skipped without Chromium."""
    websocket = pytest.importorskip("websocket", reason="websocket-client is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is no Chromium: none of {', '.join(NAMES)} is installed")
    command = [program, *FLAGS.split(), f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            address = _tab(Path(folder) / "DevToolsActivePort")
            socket = websocket.create_connection(address, timeout=SECONDS, suppress_origin=True)
            browser = Browser(socket)
            for domain in ("Page", "Runtime", "Network"):
                browser.call(f"{domain}.enable")
            yield browser
            socket.close()
        finally:
            process.terminate()


def _tab(port_file):
    """The address of the first tab, when the browser has written its port."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if port_file.exists() and (lines := port_file.read_text().split()):
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if tabs:
                return tabs[0]["webSocketDebuggerUrl"]
        time.sleep(0.1)
    raise AssertionError(f"Chromium did not start within {SECONDS} s")
