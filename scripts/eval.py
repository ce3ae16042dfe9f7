"""Evaluate a model. The same as `lowlight-tf evaluate`."""

import sys

from lowlight_tf.cli.main import main

sys.exit(main(["evaluate", *sys.argv[1:]]))
