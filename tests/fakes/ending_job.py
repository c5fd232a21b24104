"""A job that says its environment's names and its arguments, and ends as it is told: `STATUS LAST_LINE [SECONDS]`."""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":
    status, last_line, *seconds = sys.argv[1:]
    print(" ".join(sorted(os.environ)))
    print(last_line, flush=True)
    time.sleep(float(seconds[0]) if seconds else 0)
    sys.exit(int(status))
