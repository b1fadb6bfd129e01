"""Runs its arguments in a terminal of its own: bytes pass through, and "<columns> <rows>" lines on fd 3 resize it."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def resize(terminal, size):
    columns, rows = (int(number) for number in size.split())
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    sized, size_is_set = os.pipe()
    child, terminal = pty.fork()
    if child == 0:
        os.close(3)
        # The program starts when its terminal has its size.
        os.read(sized, 1)
        os.execvp(sys.argv[2], sys.argv[2:])
    resize(terminal, sys.argv[1])
    os.write(size_is_set, b"!")
    inputs = [0, 3, terminal]
    while True:
        ready, _, _ = select.select(inputs, [], [])
        for source in ready:
            try:
                data = os.read(source, 65536)
            except OSError:
                data = b""
            if source == terminal:
                if not data:
                    _, status = os.waitpid(child, 0)
                    sys.exit(os.waitstatus_to_exitcode(status))
                os.write(1, data)
            elif not data:
                inputs.remove(source)
            elif source == 0:
                os.write(terminal, data)
            else:
                for line in data.decode().splitlines():
                    resize(terminal, line)


main()
