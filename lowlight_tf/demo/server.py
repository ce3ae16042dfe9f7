"""The page that runs the shipped nets inside a browser, and who serves it to this machine alone."""

import base64
import contextlib
import dataclasses
import functools
import hashlib
import json
import mimetypes
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
from ai_edge_litert.interpreter import Interpreter

from lowlight_tf.checks import UsageError
from lowlight_tf.contract import Port
from lowlight_tf.model_card import ModelCard
from lowlight_tf.runtime import golden, input_checks, input_geometry, pretrained
from lowlight_tf.runtime.litert_engine import LiteRTEngine
from lowlight_tf.tflite_graph.resize_model import resize_model_bytes

HOST = "127.0.0.1"
"""Nobody but this machine can ask."""

PAGE = Path(__file__).parent / "page"
"""The page's own files."""

EXAMPLE = "driving_unet.npz"
"""The golden pair whose dark picture the page begins with."""

NET = re.compile(r"/nets/([\w.-]+)/(\d{1,5})x(\d{1,5})\.tflite")


@dataclasses.dataclass(frozen=True)
class DemoModel:
    """A net that the page offers.

    Attributes:
        path: Its .tflite file.
        card: The card beside it.
    """

    path: Path
    card: ModelCard

    @classmethod
    def open(cls, path: Path) -> "DemoModel":
        """Look whether a file will do.

        Raises:
            UsageError: If it or its card is missing or damaged, or it is not from one color picture
                to one.
        """
        card = LiteRTEngine(path).card
        input_checks.check_enhancement_model(card.contract)
        return cls(path, card)

    @property
    def size(self) -> tuple[int, int] | None:
        """The one (height, width) that the file takes, or None where any will do."""
        return None if self.card.resizable else (self.card.height, self.card.width)

    def to_json(self) -> dict[str, Any]:
        """Return what the page must know of it, as JSON takes it."""
        card = self.card
        quantized = card.quantization
        return {
            "name": card.name,
            "model": card.name.removesuffix(f"_{quantized}"),
            "quantization": quantized,
            "kilobytes": round(card.size_bytes / 1000),
            "size": self.size,
            "multiple_of": card.contract.multiple_of,
            "bytes": card.dtype == "uint8",
            **self._ports(),
        }

    def content(self, size: tuple[int, int]) -> bytes:
        """Return the file for pictures of a (height, width).

        Raises:
            UsageError: If it does not take them.
        """
        if self.size is None and size[0] * size[1] <= 2 * input_geometry.MAX_UNTILED_PIXELS:
            return resize_model_bytes(self.path.read_bytes(), self.card.contract, size)
        if size != self.size:
            raise UsageError(f"{self.card.name} does not take {size[0]}x{size[1]} pixels here.")
        return self.path.read_bytes()

    def _ports(self) -> dict[str, list[dict[str, Any]]]:
        """Return both sides' ports, with what the steps of a file of bytes are worth."""
        runner = Interpreter(model_path=str(self.path)).get_signature_runner()
        contract = self.card.contract

        def told(port: Port, details: Mapping[str, Any]) -> dict[str, Any]:
            scale, zero = details["quantization"]
            return {"name": port.name, "size": port.size, "scale": float(scale), "zero": int(zero)}

        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        return {
            "inputs": [told(port, inputs[port.name]) for port in contract.inputs],
            "outputs": [told(port, outputs[port.name]) for port in contract.outputs],
        }


def list_demo_models() -> list[DemoModel]:
    """Return the nets of the package that make one color picture of one."""
    nets = []
    for name in pretrained.list_pretrained():
        card = ModelCard.load((pretrained.MODEL_DIR / name).with_suffix(".json"))
        if not card.contract.is_fusion and not card.contract.is_raw:
            nets.append(DemoModel(pretrained.find_pretrained(name), card))
    return nets


def serve(
    nets: Sequence[DemoModel], parts: Mapping[str, bytes], *, chosen: str, port: int = 0
) -> ThreadingHTTPServer:
    """Return a server of the page on 127.0.0.1, bound and not yet running.

    Every answer forbids the page to speak to anyone else (Content-Security-Policy), and lets
    WebAssembly have threads (Cross-Origin-Opener-Policy, Cross-Origin-Embedder-Policy). Whoever
    asks under another host's name is refused, lest a foreign page reach this one through a name of
    its own.

    Args:
        nets: What the page offers.
        parts: LiteRT.js, as `litertjs.content` gives.
        chosen: Name of the net that it begins with.
        port: Where to listen; 0 for any that is free.

    Raises:
        UsageError: If the port is taken, or not this user's.
    """
    handler = functools.partial(_Answer, DemoSite(nets, parts, chosen))
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"Port {port} cannot be had: {reason}. Pass another by --port, or 0 for any free one."
        ) from None


class DemoSite:
    """All that the page may ask for.

    Args:
        nets: What the page offers.
        parts: LiteRT.js.
        chosen: Name of the net that it begins with.
    """

    def __init__(self, nets: Sequence[DemoModel], parts: Mapping[str, bytes], chosen: str) -> None:
        self._nets = {net.card.name: net for net in nets}
        told = {
            "chosen": chosen,
            "most": input_geometry.MAX_UNTILED_PIXELS,
            "nets": [net.to_json() for net in nets],
        }
        page = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.is_file()}
        self._files = {
            "/": page.pop("index.html"),
            "/nets.json": json.dumps(told).encode(),
            "/example.png": _example(),
            **{f"/{name}": content for name, content in page.items()},
            **{f"/litertjs/{name}": content for name, content in parts.items()},
        }
        self._content = functools.lru_cache(maxsize=4)(self._resized)
        self.policy = _policy(self._files["/"].decode())

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return the type and the content of what lies at a path, or None.

        Raises:
            UsageError: If a net is asked for a size that it does not take.
        """
        if path in self._files:
            kind = "text/html" if path == "/" else mimetypes.guess_type(path)[0]
            kind = "application/wasm" if path.endswith(".wasm") else kind
            kind = "text/javascript" if path.endswith(".js") else kind
            return kind or "application/octet-stream", self._files[path]
        asked = NET.fullmatch(path)
        if asked and asked[1] in self._nets:
            return "application/octet-stream", self._content(asked[1], int(asked[2]), int(asked[3]))
        return None

    def _resized(self, name: str, height: int, width: int) -> bytes:
        return self._nets[name].content((height, width))


class _Answer(BaseHTTPRequestHandler):
    """One request to the site."""

    def __init__(self, site: DemoSite, *request: Any) -> None:
        self._site = site
        super().__init__(*request)

    def do_GET(self) -> None:
        """Answer with a file or a net, or say plainly why not."""
        host = (self.headers.get("Host") or "").partition(":")[0]
        if host not in (HOST, "localhost"):
            self._say(HTTPStatus.FORBIDDEN, f"This page is http://{HOST} only.")
            return
        path = urllib.parse.urlsplit(self.path).path
        try:
            found = self._site.answer(path)
        except UsageError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
            return
        if found is None:
            self._say(HTTPStatus.NOT_FOUND, f"Nothing lies at {path}.")
            return
        self._send(HTTPStatus.OK, *found)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal clear."""

    def _say(self, status: HTTPStatus, line: str) -> None:
        self._send(status, "text/plain", line.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", self._site.policy),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Embedder-Policy", "require-corp"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-cache"),
        ):
            self.send_header(name, value)
        with contextlib.suppress(ConnectionError):  # whoever asked is gone
            self.end_headers()
            self.wfile.write(content)


def _policy(page: str) -> str:
    """Return what the page may load: its own files, WebAssembly, and its one written-in script."""
    written = re.search(r"<script type=\"importmap\">(.*?)</script>", page, re.DOTALL)[1]
    known = base64.b64encode(hashlib.sha256(written.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-{known}'; "
        "worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _example() -> bytes:
    """Return the dark picture of a golden pair as a PNG file."""
    pair = golden.load_golden(pretrained.MODEL_DIR / EXAMPLE, ["low"], [])
    return cv2.imencode(".png", pair["low"][..., ::-1])[1].tobytes()
