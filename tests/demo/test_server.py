"""The HTTP server of the demo: files, access, and security headers."""

import json
import urllib.error
import urllib.request

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.demo import server
from lowlight_tf.runtime import pretrained
from tests.demo_server import serve_demo


def request(url, host=None):
    query = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(query, timeout=30) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


@pytest.fixture(scope="module")
def address():
    """Return the address of a server without LiteRT.js."""
    with serve_demo({}) as address:
        yield address


def test_a_model_is_served_for_any_size_that_it_accepts(address):
    name = "dashcam_net_nano_int8"
    original = pretrained.find_pretrained(name).read_bytes()
    status, content, _ = request(f"{address}/models/{name}/48x72.tflite")
    assert status == 200
    assert len(content) == pytest.approx(len(original), rel=0.05)
    status, message, _ = request(f"{address}/models/{name}/50x72.tflite")
    assert (status, b"multiples of 8" in message) == (400, True)
    status, message, _ = request(f"{address}/models/{name}/80000x80000.tflite")
    assert (status, b"does not take 80000x80000" in message) == (400, True)
    status, content, _ = request(f"{address}/models/driving_unet/400x600.tflite")
    assert content == pretrained.find_pretrained("driving_unet").read_bytes()
    assert request(f"{address}/models/driving_unet/48x64.tflite")[0] == 400


def test_only_files_of_the_page_are_served(address):
    for path in ("nothing", "../server.py", "%2e%2e/server.py", "models/did_fuse/480x640.tflite"):
        assert request(f"{address}/{path}")[0] == 404, path
    status, message, _ = request(address, host="evil.example:80")
    assert (status, b"only" in message) == (403, True)
    settings = json.loads(request(f"{address}/models.json")[1])
    offered = {model["name"] for model in settings["models"]}
    others = ("did_fuse", "am_fusion", "attention_unet")  # not from one image to one
    assert offered == {name for name in pretrained.list_pretrained() if not name.startswith(others)}


def test_each_response_forbids_requests_to_other_hosts(address):
    for path in ("", "page.js", "nothing"):
        headers = request(f"{address}/{path}")[2]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert "connect-src 'self';" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_a_port_in_use_is_refused(address):
    with pytest.raises(UsageError, match="Pass another by --port"):
        server.create_server([], {}, selected="", port=int(address.rpartition(":")[2]))
    with pytest.raises(UsageError, match="Port 70000 cannot be used"):
        server.create_server([], {}, selected="", port=70000)
