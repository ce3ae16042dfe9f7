"""`lowlight-tf demo`: the shipped nets inside a browser, on one's own pictures and camera."""

import argparse
import signal
from pathlib import Path

from lowlight_tf.cli.signals import on_stop_signals

HELP = "try the nets in the browser, on a picture or the camera; nothing leaves this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="what the page begins with: a shipped name, or a .tflite file with its card "
        "(default: what `enhance` takes)",
    )
    parser.add_argument("--port", type=int, default=8765, help="where to listen; 0 for any free")
    parser.add_argument("--no-open", action="store_true", help="only say the page's address")
    parser.add_argument(
        "--parts",
        type=Path,
        metavar="FOLDER",
        help="where the archives of LiteRT.js are or will be kept (default: the user's cache)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, or until asked to terminate; return 0."""
    import webbrowser

    from lowlight_tf.cli.options import model_file
    from lowlight_tf.demo import litertjs, server
    from lowlight_tf.runtime import pretrained

    chosen = server.DemoModel.open(model_file(args.model or pretrained.DEFAULT_MODEL))
    nets = {net.card.name: net for net in (*server.list_demo_models(), chosen)}
    parts = args.parts or litertjs.cache_dir()
    litertjs.download(parts, tell=lambda line: print(line, flush=True))
    content = litertjs.content(parts)
    with server.serve(
        [*nets.values()], content, chosen=chosen.card.name, port=args.port
    ) as running:
        address = f"http://{server.HOST}:{running.server_port}/"
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        if not args.no_open:
            webbrowser.open(address)
        try:
            with on_stop_signals(signal.default_int_handler):
                running.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
