#!/bin/sh
# python.sh: print the Python to use, at least 3.11; one that can make virtual environments first.
set -u
usable() { "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }

for can in "import ensurepip" "import pip" "import venv"; do
  for python in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3; do
    if usable "$python" && "$python" -c "$can" 2>/dev/null; then
      command -v "$python"
      exit 0
    fi
  done
done
echo "error: no Python 3.11 or newer found ($(python3 --version 2>&1)); install one, or name it: make PYTHON=/path/to/python3" >&2
exit 2
