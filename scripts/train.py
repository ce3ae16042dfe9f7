"""Train a model. The same as `lowlight-tf train`."""

import sys

from lowlight_tf.cli.crash_guard import run

sys.exit(run(["train", *sys.argv[1:]]))
