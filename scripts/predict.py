"""Enhance images. The same as `lowlight-tf enhance`."""

import sys

from lowlight_tf.cli.crash_guard import run

sys.exit(run(["enhance", *sys.argv[1:]]))
