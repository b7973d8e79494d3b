"""A program of its own that runs a server and passes on what it prints, up to a number of bytes.

    python -ISB relay.py MOST_BYTES PROGRAM ARGUMENT…

Who talks to a server reads line by line, and a line may have no end. Needs nothing but the
standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys

_PIECE = 65_536


def main(words: list[str]) -> int:
    left = int(words[0])
    try:
        server = subprocess.Popen(words[1:], stdout=subprocess.PIPE)
    except OSError as error:
        os.write(2, f"{words[1]}: {error.strerror}\n".encode())
        return 127
    output = server.stdout
    while output is not None and left > 0 and (piece := os.read(output.fileno(), _PIECE)):
        left -= len(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view) :]
    if left <= 0:
        server.kill()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
