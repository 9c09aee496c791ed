#!/bin/sh
# Every linter, all of them even if one complains; the status says whether any did.
# usage: lint.sh BIN   (from the checkout's root)
bin=$1; failed=0
step() { echo "== $1"; shift; "$@" || failed=1; }
step "ruff check" "$bin/ruff" check .
step "ruff format" "$bin/ruff" format --check .
step "mypy" "$bin/mypy" .
step "import walls" "$bin/lint-imports"
exit $failed
