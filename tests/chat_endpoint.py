"""A server process that speaks the OpenAI chat protocol as a teacher: what the model is called says how it teaches.

``python -m tests.chat_endpoint`` prints its port. GET /v1/seen returns the requests that came, one JSON object each.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(BaseHTTPRequestHandler):
    seen: list[dict[str, Any]] = []  # noqa: RUF012 - the requests of the whole process

    def do_GET(self) -> None:
        self._reply(self.seen)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(asked)
        if asked["model"] == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "/v1/seen")
            self.end_headers()
        else:
            self._reply(self._completion(asked))

    def _completion(self, asked: dict[str, Any]) -> dict[str, Any]:
        model = asked["model"]
        words = asked["messages"][-1]["content"][-1]["text"]
        label = re.findall(r"Label: (.*)", words)
        text = {
            "honest": f"1) The person is active.\n2) First, the body moves.\nLabel: {label[-1]}",
            "liar": f"1) The person jumps and turns to the left.\nLabel: {label[-1]}",
            "forgetful": "The person moves.",
        }[model]
        return {"choices": [{"message": {"role": "assistant", "content": text}}]}

    def _reply(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def running() -> Iterator[str]:
    """The base URL of a server process of its own."""
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chat_endpoint"], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()


def requests_seen(url: str) -> list[dict[str, Any]]:
    """What the server was asked so far."""
    with urllib.request.urlopen(f"{url}/seen") as reply:
        return json.load(reply)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
