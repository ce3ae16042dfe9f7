"""Run a command as on a processor without AMX: python benchmarks/without_amx.py COMMAND...

LiteRT multiplies with Intel's AMX where a processor has it, in tiles of 64 columns. The models here
have 8 to 28 channels, so that it takes twice as long as with other vector instructions. Linux gives
a process the permission for AMX when it asks for it; a filter refuses that, for the command and
what it starts. For 64-bit x86 only.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ARCH_PRCTL, ARCH_REQ_XCOMP_PERM = 158, 0x1023  # the system call, and its first argument
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # classic BPF
CALL_OFFSET, ARGUMENT_OFFSET = 0, 16  # in `struct seccomp_data`

FILTER = (  # operation, steps to skip if equal, steps to skip if not, value
    (LOAD, 0, 0, CALL_OFFSET),
    (JUMP_IF_EQUAL, 0, 3, ARCH_PRCTL),
    (LOAD, 0, 0, ARGUMENT_OFFSET),
    (JUMP_IF_EQUAL, 0, 1, ARCH_REQ_XCOMP_PERM),
    (RETURN, 0, 0, REFUSE),
    (RETURN, 0, 0, ALLOW),
)


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    refuse_amx()
    os.execvp(sys.argv[1], sys.argv[1:])


def refuse_amx() -> None:
    """Refuse this process, and those that it starts, the permission for AMX."""
    code = b"".join(struct.pack("HBBI", *step) for step in FILTER)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HP", len(FILTER), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, argument in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER)):
        if libc.prctl(option, argument, program if option == PR_SET_SECCOMP else 0, 0, 0):
            sys.exit(f"without_amx.py: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
