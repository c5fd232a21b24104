#!/bin/sh
# Prints a Python 3.11 or 3.12 that can make virtual environments; status 1 when there is none.
# A name on the PATH proves nothing (a pyenv shim exists for versions that are not active): each candidate must run.
set -u

fits='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))'

for candidate in "${PYTHON:-}" python3.11 python3.12 /usr/bin/python3.11 /usr/bin/python3.12 python3; do
    if [ -n "$candidate" ] && "$candidate" -c "$fits" 2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
done
exit 1
