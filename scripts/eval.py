"""Evaluate a model. The same as `lowlight-tf evaluate`."""

import sys

from lowlight_tf.cli.crash_guard import run

sys.exit(run(["evaluate", *sys.argv[1:]]))
