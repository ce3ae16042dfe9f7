"""Decode damaged files and save what is read; print each outcome. Run by test_fuzz.py."""

import pickle
import re
import resource
import signal
import sys
from pathlib import Path

from lowlight_tf.checks import UsageError
from lowlight_tf.imaging import image_io

SECONDS_PER_FILE = 10
MAX_ADDRESSES = 8 * 2**30  # bytes; a lying size is refused, or its pixels are never touched


def main(batch: Path) -> None:
    """Print a line for each file of a batch: its number, and "read", "refused" or "failed"."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
    for index, (suffix, content) in enumerate(pickle.loads(batch.read_bytes())):
        path = batch.with_suffix(suffix)
        path.write_bytes(content)
        signal.alarm(SECONDS_PER_FILE)  # ends the process, whatever it is doing
        print(index, end=" ", flush=True)
        try:
            if image_io.load_measurements(path) is None:
                image = image_io.load_image(path)
                # In a TIFF, for which the metadata are parsed.
                image_io.save_image(batch.with_suffix(".result.tif"), image, overwrite=True)
            print("read")
        except (UsageError, MemoryError) as error:
            print("failed: several lines:" if "\n" in str(error) else "refused", error)
        except Exception as error:
            print("failed:", repr(error))
        path.unlink()
    # Not `ru_maxrss`, which counts what the process that started this one held.
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print("peak", int(line) * 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
