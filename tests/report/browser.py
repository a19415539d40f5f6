"""A headless Chromium on a pipe, as far as the tests of the pages need one."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

JSON = dict[str, Any]
CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
_START = """
import fcntl, os, sys
a, b = (fcntl.fcntl(n, fcntl.F_DUPFD, 10) for n in ({to_read}, {to_write}))  # out of the way first
os.dup2(a, 3), os.dup2(b, 4)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""The browser reads commands from descriptor 3 and writes answers to 4."""


class Browser:
    """One page of a browser that is driven by the DevTools protocol; ``events`` holds what it reported."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
        ]
        start = _START.format(to_read=to_read, to_write=to_write)
        self._process = subprocess.Popen(
            [sys.executable, "-c", start, CHROMIUM, *options, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.events: list[JSON] = []
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: object) -> JSON:
        """Call a method of the protocol and return its result; events that come before it are kept."""
        self._number += 1
        call: JSON = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            call["sessionId"] = self._session
        os.write(self._write, json.dumps(call).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, file: Path, *, width: int, dark: bool = False) -> None:
        """Load a file at a width in pixels, and wait until it is loaded. Events of pages before are forgotten."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.visit(file.as_uri(), width=width)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def visit(self, address: str, *, width: int) -> None:
        """Go to an address at a width in pixels, and do not wait. Events of pages before are forgotten."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.events = []
        self.send("Page.navigate", url=address)

    def until(self, expression: str, *, limit_s: float = 60.0) -> None:
        """Wait until a JavaScript expression is true on a page that builds itself."""
        ends = time.monotonic() + limit_s
        while not self.value(expression):
            assert time.monotonic() < ends, f"{expression} on:\n{self.text()}"
            time.sleep(0.2)  # a page says nothing when it is done

    def text(self) -> str:
        """What is to be read on the page."""
        return str(self.value("document.body ? document.body.innerText : ''"))

    def picture(self) -> bytes:
        """The page as it is seen, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def requests(self) -> list[str]:
        """What the page asked for since it was opened."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[JSON]:
        """Messages on the console, exceptions, refused content."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [e for e in self.events if e["method"] in kinds]

    def _next(self) -> JSON:
        while b"\0" not in self._buffer:
            got = os.read(self._read, 1 << 20)
            assert got, "the browser went away"
            self._buffer += got
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: JSON = json.loads(message)
        return found

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._write)
        os.close(self._read)
        self._process.terminate()
        self._process.wait(10)
