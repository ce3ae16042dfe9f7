"""`python -m lowlight_tf`: the command line."""

import sys

from lowlight_tf.cli.crash_guard import run

sys.exit(run())
