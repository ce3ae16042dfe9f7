"""Train a model. The same as `lowlight-tf train`."""

import sys

from lowlight_tf.cli.main import main

sys.exit(main(["train", *sys.argv[1:]]))
