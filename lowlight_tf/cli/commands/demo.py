"""`lowlight-tf demo`: run the shipped models in the browser, on an image or the camera."""

import argparse
import functools
import signal
from pathlib import Path

from lowlight_tf.cli.options import add_flag
from lowlight_tf.cli.signals import on_stop_signals

HELP = "try the models in the browser, on an image or the camera; nothing leaves this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = functools.partial(add_flag, parser)
    add(
        "--model",
        metavar="MODEL",
        help="the model selected at first: a shipped name, or a .tflite file with its card "
        "(default: that of `enhance`)",
    )
    add("--port", type=int, default=8765, help="to listen on; 0 for any free one")
    add("--no-open", action="store_true", help="only print the page's address")
    add(
        "--litertjs-dir",
        former=("--parts",),
        type=Path,
        metavar="FOLDER",
        help="where the archives of LiteRT.js are kept (default: the user's cache)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C or SIGTERM; return 0."""
    import webbrowser

    from lowlight_tf.cli.options import model_file
    from lowlight_tf.demo import litertjs, server
    from lowlight_tf.runtime import pretrained

    selected = server.DemoModel.load(model_file(args.model or pretrained.DEFAULT_MODEL))
    models = {model.card.name: model for model in (*server.list_demo_models(), selected)}
    folder = args.litertjs_dir or litertjs.cache_dir()
    litertjs.download(folder, report=lambda line: print(line, flush=True))
    files = litertjs.read_served_files(folder)
    with server.create_server(
        [*models.values()], files, selected=selected.card.name, port=args.port
    ) as http_server:
        address = f"http://{server.HOST}:{http_server.server_port}/"
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        if not args.no_open:
            webbrowser.open(address)
        try:
            with on_stop_signals(signal.default_int_handler):
                http_server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
