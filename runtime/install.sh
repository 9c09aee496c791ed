#!/bin/sh
# Create the virtual environment and install one lock file into it.
# usage: install.sh CHECKOUT LOCKFILE STAMP
# Contract: finds a Python that the locked packages have wheels for; installs only when the lock has changed; says what
# it does and nothing else, pip's whole output is in .venv/install.log and its last lines are shown when it fails;
# whatever goes wrong ends in one clear line and a non-zero status; a virtual environment half made is made again.
set -eu
here=$1; lock=$2; stamp=$3; venv=$here/.venv; log=$venv/install.log

refuse() { echo "okxbot: $*" >&2; exit 1; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

supported() {
  case $(version_of "$1") in 3.11|3.12|3.13|3.14) ;; *) return 1 ;; esac
}

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || refuse "there is no $PYTHON (named by PYTHON); name a Python 3.11 to 3.14"
    supported "$PYTHON" || refuse "Python 3.11 to 3.14 is needed, $PYTHON is $(version_of "$PYTHON" || echo no Python)"
    echo "$PYTHON"; return
  fi
  for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if command -v "$candidate" >/dev/null 2>&1 && supported "$candidate"; then echo "$candidate"; return; fi
  done
  found=$(python3 -V 2>/dev/null || echo none)
  refuse "Python 3.11 to 3.14 is needed, found ${found}; install one, or name it: make run PYTHON=/path/to/python3.12"
}

if [ ! -x "$venv/bin/python" ] || ! supported "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  python=$(find_python)
  "$python" -c 'import venv, ensurepip' 2>/dev/null || refuse \
    "this Python cannot make virtual environments; on Debian or Ubuntu: apt-get install python$(version_of "$python")-venv"
  echo "Creating the virtual environment in $venv ($("$python" -V))"
  rm -rf "$venv"
  "$python" -m venv "$venv" || refuse "the virtual environment could not be made in $venv (see above)"
fi

# pip's many lines as one per package.
progress() {
  seen=0
  while IFS= read -r line; do
    printf '%s\n' "$line" >> "$log"
    case $line in
      Collecting*) seen=$((seen + 1)); rest=${line#Collecting }; printf '  [%3d/%d] %s\n' "$seen" "$1" "${rest%% *}" ;;
      Installing\ collected*) echo "  unpacking" ;;
    esac
  done
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

# What pip said, without its progress and without the warnings every machine with odd settings repeats a hundred times.
give_up() {
  grep -v '^WARNING\|^Ignoring\|^ *Downloading\|^Collecting\|^Looking in\|^Processing\|^Requirement already\|^ *Using cached' "$log" |
    tail -n 40 >&2
  refuse "$* (see above; all of it in $log)"
}

digest=$("$venv/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(b"".join(open(p, "rb").read() for p in sys.argv[1:])).hexdigest())' "$here/$lock")

if [ "$(cat "$venv/.lock-of$stamp" 2>/dev/null || true)" != "$digest" ]; then
  count=$(grep -c '^[A-Za-z0-9]' "$here/$lock")
  echo "Installing the locked dependencies: up to $count packages from $lock, a minute or two, once"
  : > "$log"
  # Every package is a wheel; a compiler is never needed. The status of a pipe is that of its end: pip's goes by file.
  status=$venv/.pip-status
  { pip install --progress-bar off --require-hashes --only-binary :all: -r "$here/$lock" 2>&1 && echo 0 > "$status" || echo 1 > "$status"; } |
    progress "$count"
  [ "$(cat "$status")" = 0 ] ||
    give_up "the dependencies in $lock could not be installed; check the network and the disk, and run the command again"
  echo "$digest" > "$venv/.lock-of$stamp"
fi
pip install --no-build-isolation --no-deps --config-settings editable_mode=compat -e "$here" > "$log" 2>&1 ||
  give_up "the project could not be installed into $venv"
touch "$venv/$stamp"
