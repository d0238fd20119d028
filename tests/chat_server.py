"""A server that speaks the chat completions protocol and really looks: python tests/chat_server.py FOLDER.

It decodes every image it is sent and answers from what it sees. FOLDER/port says where it listens, FOLDER/requests.jsonl
what it was asked, FOLDER/faults (one word a line) what goes wrong with the next requests: 429, 500, 400, 401, garbage, slow,
cut, or a text to answer instead.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(sys.argv[1])


def seen(message: dict) -> tuple[list[np.ndarray], str]:
    """The images and the text of a message."""
    images, texts = [], []
    for part in message["content"]:
        if part["type"] == "image_url":
            kind, _, data = part["image_url"]["url"].partition(",")
            assert kind == "data:image/png;base64", kind
            image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
            assert image.format == "PNG"
            images.append(np.asarray(image.convert("RGB"), float))
        else:
            texts.append(part["text"])
    return images, "\n".join(texts)


def answer(images: list[np.ndarray], text: str) -> str:
    """What can be told from the pictures: their number and size, and where in them it is bright."""
    options = [line[2:] for line in text.splitlines() if line.startswith("- ")]
    light = np.mean(images, axis=(0, 3))
    middle = light.shape[1] // 2
    brighter = "left" if light[:, :middle].sum() > light[:, middle:].sum() else "right"
    if options:
        # Of the options the one with the brighter side in it, written as people write.
        return next((f"{option.capitalize()}." for option in options if brighter in option), "I cannot tell.")
    return f"{len(images)} images of {light.shape[1]} x {light.shape[0]}, brighter on the {brighter}"


class Chat(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        images, text = seen(body["messages"][-1])
        told = {
            "path": self.path, "key": self.headers.get("Authorization"), "model": body["model"], "images": len(images),
            "text": text, "system": body["messages"][0]["content"], "temperature": body["temperature"],
            "max_tokens": body["max_tokens"], "brightness": [float(image.mean()) for image in images],
        }  # fmt: skip
        with (FOLDER / "requests.jsonl").open("a") as log:
            log.write(json.dumps(told) + "\n")
        faults = (FOLDER / "faults").read_text().splitlines() if (FOLDER / "faults").exists() else []
        (FOLDER / "faults").write_text("\n".join(faults[1:]))
        fault = faults[0] if faults else ""
        if fault.isdigit():
            self.reply(int(fault), b'{"error": {"message": "not now"}}', {"Retry-After": "0"} if fault == "429" else {})
        elif fault == "garbage":
            self.reply(200, b"<html>welcome</html>")
        elif fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True
        else:
            if fault == "slow":
                time.sleep(5)
            said = answer(images, text) if fault in ("", "slow") else fault
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
            usage = {"prompt_tokens": 10 * len(images) + len(text.split()), "completion_tokens": len(said.split())}
            self.reply(200, json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode())

    def reply(self, code: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(more or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError):  # a client that did not wait
            self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
(FOLDER / "port.partial").write_text(str(server.server_port))
(FOLDER / "port.partial").rename(FOLDER / "port")
server.serve_forever()
