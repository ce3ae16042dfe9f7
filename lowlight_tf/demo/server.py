"""The web page that runs the shipped models inside a browser, and its local HTTP server."""

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
"""Only this machine can connect."""

PAGE_DIR = Path(__file__).parent / "page"
"""Folder of the page's own files."""

EXAMPLE_PAIR = "driving_unet.npz"
"""Golden pair whose input is the first image of the page."""

MODEL_URL = re.compile(r"/models/([\w.-]+)/(\d{1,5})x(\d{1,5})\.tflite")
"""Name, height and width of a model."""


@dataclasses.dataclass(frozen=True)
class DemoModel:
    """A model that the page offers.

    Attributes:
        path: Its .tflite file.
        card: Its card.
    """

    path: Path
    card: ModelCard

    @classmethod
    def load(cls, path: Path) -> "DemoModel":
        """Return the model of a .tflite file with its card next to it.

        Raises:
            UsageError: If the file or its card is missing or damaged, or it is not a model from one
                color image to one.
        """
        card = LiteRTEngine(path).card
        if not card.contract.is_planar:
            input_checks.check_enhancement_model(card.contract)
        elif card.contract != card.contract.unpacked:
            raise UsageError(f"{path} is for neural processors. Pass the file without `--packed`.")
        return cls(path, card)

    @property
    def size(self) -> tuple[int, int] | None:
        """The only (height, width) that the model accepts, or None if it can be resized."""
        return None if self.card.resizable else (self.card.height, self.card.width)

    def to_json(self) -> dict[str, Any]:
        """Return what the page needs to run the model, as JSON types."""
        card = self.card
        quantization = card.quantization
        return {
            "name": card.name,
            "base_name": card.name.removesuffix(f"_{quantization}"),
            "quantization": quantization,
            "kilobytes": round(card.size_bytes / 1000),
            "size": self.size,
            "multiple_of": card.contract.multiple_of,
            "is_integer": card.dtype == "uint8",
            "is_planar": card.contract.is_planar,
            **self._ports(),
        }

    def resize_content(self, size: tuple[int, int]) -> bytes:
        """Return the .tflite file for images of (height, width).

        Raises:
            UsageError: If the model does not accept that size.
        """
        if self.size is None and size[0] * size[1] <= 2 * input_geometry.MAX_UNTILED_PIXELS:
            return resize_model_bytes(self.path.read_bytes(), self.card.contract, size)
        if size != self.size:
            raise UsageError(f"{self.card.name} does not take {size[0]}x{size[1]} pixels here.")
        return self.path.read_bytes()

    def _ports(self) -> dict[str, list[dict[str, Any]]]:
        """Return name, size and quantization of the inputs and outputs."""
        runner = Interpreter(model_path=str(self.path)).get_signature_runner()
        contract = self.card.contract

        def describe(port: Port, details: Mapping[str, Any]) -> dict[str, Any]:
            scale, zero_point = details["quantization"]
            return {
                "name": port.name,
                "size": port.size,
                "channels": port.channels,
                "subsampling": port.subsampling,
                "state_of": port.state_of,
                "is_control": port in contract.controls,
                "levels": port.levels,
                "scale": float(scale),
                "zero_point": int(zero_point),
            }

        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        return {
            "inputs": [describe(port, inputs[port.name]) for port in contract.inputs],
            "outputs": [describe(port, outputs[port.name]) for port in contract.outputs],
        }


def list_demo_models() -> list[DemoModel]:
    """Return the shipped models from one color image to one."""
    models = []
    for name in pretrained.list_pretrained():
        card = ModelCard.load((pretrained.MODEL_DIR / name).with_suffix(".json"))
        if card.contract.task == "enhance":
            models.append(DemoModel(pretrained.find_pretrained(name), card))
    return models


def create_server(
    models: Sequence[DemoModel],
    litertjs_files: Mapping[str, bytes],
    *,
    selected: str,
    port: int = 0,
) -> ThreadingHTTPServer:
    """Return a server of the page on 127.0.0.1, bound and not yet running.

    Each response forbids the page to contact other hosts (Content-Security-Policy), and allows
    WebAssembly threads (Cross-Origin-Opener-Policy, Cross-Origin-Embedder-Policy). Requests under
    another host name are refused, so that no foreign page can reach this one by DNS rebinding.

    Args:
        models: Models that the page offers.
        litertjs_files: LiteRT.js, as `litertjs.read_served_files` returns.
        selected: Name of the model that is selected first.
        port: Port to listen on; 0 for any free one.

    Raises:
        UsageError: If the port is in use, or not allowed for this user.
    """
    handler = functools.partial(_RequestHandler, DemoSite(models, litertjs_files, selected))
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"Port {port} cannot be used: {reason}. Pass another by --port, or 0 for any free one."
        ) from None


class DemoSite:
    """All files that the page may request.

    Args:
        models: Models that the page offers.
        litertjs_files: LiteRT.js, path -> content.
        selected: Name of the model that is selected first.
    """

    def __init__(
        self, models: Sequence[DemoModel], litertjs_files: Mapping[str, bytes], selected: str
    ) -> None:
        self._models = {model.card.name: model for model in models}
        settings = {
            "selected": selected,
            "max_pixels": input_geometry.MAX_UNTILED_PIXELS,
            "models": [model.to_json() for model in models],
        }
        page = {path.name: path.read_bytes() for path in PAGE_DIR.iterdir() if path.is_file()}
        self._files = {
            "/": page.pop("index.html"),
            "/models.json": json.dumps(settings).encode(),
            "/example.png": _example_png(),
            **{f"/{name}": content for name, content in page.items()},
            **{f"/litertjs/{name}": content for name, content in litertjs_files.items()},
        }
        self._model_content = functools.lru_cache(maxsize=4)(self._resize_model)
        self.policy = _content_security_policy(self._files["/"].decode())

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Return the media type and the content of a path, or None.

        Raises:
            UsageError: If a model does not accept the requested size.
        """
        if path in self._files:
            media_type = "text/html" if path == "/" else mimetypes.guess_type(path)[0]
            media_type = "application/wasm" if path.endswith(".wasm") else media_type
            media_type = "text/javascript" if path.endswith(".js") else media_type
            return media_type or "application/octet-stream", self._files[path]
        match = MODEL_URL.fullmatch(path)
        if match and match[1] in self._models:
            content = self._model_content(match[1], int(match[2]), int(match[3]))
            return "application/octet-stream", content
        return None

    def _resize_model(self, name: str, height: int, width: int) -> bytes:
        return self._models[name].resize_content((height, width))


class _RequestHandler(BaseHTTPRequestHandler):
    """Answers one request to the site."""

    def __init__(self, site: DemoSite, *request: Any) -> None:
        self._site = site
        super().__init__(*request)

    def do_GET(self) -> None:
        """Respond with a file or a model, or with an error message."""
        host = (self.headers.get("Host") or "").partition(":")[0]
        if host not in (HOST, "localhost"):
            self._respond_text(HTTPStatus.FORBIDDEN, f"This page is http://{HOST} only.")
            return
        path = urllib.parse.urlsplit(self.path).path
        try:
            found = self._site.find(path)
        except UsageError as error:
            self._respond_text(HTTPStatus.BAD_REQUEST, str(error))
            return
        if found is None:
            self._respond_text(HTTPStatus.NOT_FOUND, f"There is no {path}.")
            return
        self._respond(HTTPStatus.OK, *found)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing on the terminal."""

    def _respond_text(self, status: HTTPStatus, message: str) -> None:
        self._respond(status, "text/plain", message.encode())

    def _respond(self, status: HTTPStatus, media_type: str, content: bytes) -> None:
        self.send_response(status)
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        for name, value in (
            ("Content-Type", media_type),
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
        with contextlib.suppress(ConnectionError):  # the client has disconnected
            self.end_headers()
            self.wfile.write(content)


def _content_security_policy(page: str) -> str:
    """Return the policy that allows the page's files, WebAssembly, and the inline import map."""
    import_map = re.search(r"<script type=\"importmap\">(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-{digest}'; "
        "worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _example_png() -> bytes:
    """Return the dark image of a golden pair as a PNG file."""
    pair = golden.load_golden(pretrained.MODEL_DIR / EXAMPLE_PAIR, ["low"], [])
    return cv2.imencode(".png", pair["low"][..., ::-1])[1].tobytes()
