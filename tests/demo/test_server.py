"""The server of the page: what it gives, to whom, and what it forbids."""

import json
import urllib.error
import urllib.request

import pytest

from lowlight_tf.checks import UsageError
from lowlight_tf.demo import server
from lowlight_tf.runtime import pretrained
from tests.served import served


def answer(url, host=None):
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


@pytest.fixture(scope="module")
def bare():
    with served({}) as address:
        yield address


def test_a_net_is_served_for_any_size_it_takes(bare):
    name = "dashcam_net_nano_int8"
    original = pretrained.find_pretrained(name).read_bytes()
    status, content, _ = answer(f"{bare}/nets/{name}/48x72.tflite")
    assert status == 200
    assert len(content) == pytest.approx(len(original), rel=0.05)
    status, said, _ = answer(f"{bare}/nets/{name}/50x72.tflite")
    assert (status, b"multiples of 8" in said) == (400, True)
    status, said, _ = answer(f"{bare}/nets/{name}/80000x80000.tflite")
    assert (status, b"does not take 80000x80000" in said) == (400, True)
    status, content, _ = answer(f"{bare}/nets/driving_unet/400x600.tflite")
    assert content == pretrained.find_pretrained("driving_unet").read_bytes()
    assert answer(f"{bare}/nets/driving_unet/48x64.tflite")[0] == 400


def test_only_what_belongs_to_the_page_is_served(bare):
    for path in ("nothing", "../demo.py", "%2e%2e/demo.py", "nets/did_fuse/480x640.tflite"):
        assert answer(f"{bare}/{path}")[0] == 404, path
    status, said, _ = answer(bare, host="evil.example:80")
    assert (status, b"only" in said) == (403, True)
    offered = {net["name"] for net in json.loads(answer(f"{bare}/nets.json")[1])["nets"]}
    others = ("did_fuse", "am_fusion", "attention_unet")  # not from one picture to one
    assert offered == {name for name in pretrained.list_pretrained() if not name.startswith(others)}


def test_every_answer_forbids_the_page_to_speak_to_others(bare):
    for path in ("", "page.js", "nothing"):
        headers = answer(f"{bare}/{path}")[2]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert "connect-src 'self';" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_a_port_that_is_taken_is_refused(bare):
    with pytest.raises(UsageError, match="Pass another by --port"):
        server.serve([], {}, chosen="", port=int(bare.rpartition(":")[2]))
    with pytest.raises(UsageError, match="Port 70000 cannot be had"):
        server.serve([], {}, chosen="", port=70000)
