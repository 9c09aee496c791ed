#!/bin/sh
# Create the virtual environment and install one lock file into it.
# usage: install.sh CHECKOUT LOCKFILE STAMP
# Contract: finds a Python of at least 3.11; installs only when the lock has changed; whatever goes wrong ends in
# one clear line and a non-zero status; a virtual environment half made is made again.
set -eu
here=$1; lock=$2; stamp=$3; venv=$here/.venv

refuse() { echo "okxbot: $*" >&2; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
    if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then echo "$candidate"; return; fi
  done
  found=$(python3 -V 2>/dev/null || echo none)
  refuse "Python 3.11 or newer is needed, found ${found}; install it, or name it: make run PYTHON=/path/to/python3.12"
}

if [ ! -x "$venv/bin/python" ] || ! new_enough "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  python=$(find_python)
  "$python" -c 'import venv, ensurepip' 2>/dev/null || {
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    refuse "this Python cannot make virtual environments; on Debian or Ubuntu: apt-get install python$version-venv"
  }
  echo "Creating the virtual environment in $venv ($("$python" -V))"
  rm -rf "$venv"
  "$python" -m venv "$venv" || refuse "the virtual environment could not be made in $venv (see above)"
fi

# pip's many lines as one line per package; warnings and errors as they are.
progress() {
  seen=0
  while IFS= read -r line; do
    case $line in
      Collecting*) seen=$((seen + 1)); rest=${line#Collecting }; printf '  [%3d/%d] %s\n' "$seen" "$1" "${rest%% *}" ;;
      Installing\ collected*) echo "  unpacking" ;;
      ERROR*|WARNING*|*rror:*) printf '%s\n' "$line" >&2 ;;
    esac
  done
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }
digest=$("$venv/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(b"".join(open(p, "rb").read() for p in sys.argv[1:])).hexdigest())' "$here/$lock")

if [ "$(cat "$venv/.lock-of$stamp" 2>/dev/null || true)" != "$digest" ]; then
  count=$(grep -c '^[A-Za-z0-9]' "$here/$lock")
  echo "Installing the locked dependencies: up to $count packages from $lock, a minute or two, once"
  # Every package is a wheel; a compiler is never needed. The status of a pipe is that of its end: pip's goes by file.
  status=$venv/.pip-status
  { pip install --progress-bar off --require-hashes --only-binary :all: -r "$here/$lock" 2>&1 && echo 0 > "$status" || echo 1 > "$status"; } |
    progress "$count"
  [ "$(cat "$status")" = 0 ] || refuse "the dependencies in $lock could not be installed (see above); check the network and run the command again"
  echo "$digest" > "$venv/.lock-of$stamp"
fi
pip install --quiet --no-build-isolation --no-deps --config-settings editable_mode=compat -e "$here" ||
  refuse "the project could not be installed into $venv (see above)"
touch "$venv/$stamp"
