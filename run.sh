#!/usr/bin/env bash
# Sets up .venv beside this file, then runs the sweep of the ten published pairs, or the checks.
#
#   bash run.sh [options of `at2 sweep`]     set up, fetch the tables, run the sweep into record/; where they cannot be
#                                            had, at2 says so and sweeps the table that ships with it
#   bash run.sh test [options of pytest]     set up, then ruff, mypy, doctests and tests
#   bash run.sh at2 ARGUMENTS                set up (for `report` with Plotly), then any other at2 command
#
# PYTHON names the interpreter to build on (3.11 or newer). AT2_MIRROR names a folder or an address that holds
# the authors' files. pip reads its own settings and variables as always.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$root/.venv"
python="$venv/bin/python"
unfinished="$venv/.at2-unfinished" # there while an install is under way: what it leaves after a kill is not trusted

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "run.sh: $*"
  exit 1
}

find_python() { # prints the first interpreter that is new enough
  local candidate seen=""
  for candidate in ${PYTHON:+"$PYTHON"} python3 python python3.11 python3.12 python3.13 python3.14; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
    seen="$seen $candidate ($("$candidate" --version 2>&1 | head -n 1))"
  done
  fail "at2 needs Python 3.11 or newer; found:${seen:- none}. Install one, or name it: PYTHON=/path/to/python3.11 bash run.sh"
}

fingerprint() { # of all that an installed environment depends on
  { printf '%s\n' "$root" "$1"; cat "$root/pyproject.toml" "$root/constraints.txt"; } | cksum
}

is_ready() { # $1: extra
  [ ! -e "$unfinished" ] && [ -x "$python" ] && [ "$(cat "$venv/.at2-stamp$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

pip_install() {
  "$python" -m pip install --quiet --disable-pip-version-check --constraint "$root/constraints.txt" "$@" ||
    fail "pip could not install $* (its message is above); check the package index, then call run.sh again: it repairs the environment"
}

make_venv() { # $1: interpreter to build on; an environment that cannot be trusted is moved away first, then removed
  say "run.sh: making $venv with $("$1" --version)"
  rm -rf "$venv.old"
  if [ -e "$venv" ]; then mv "$venv" "$venv.old" && rm -rf "$venv.old"; fi
  mkdir "$venv" && : >"$unfinished"
  "$1" -m venv "$venv" >&2 || fail "could not make $venv with $1 -m venv (on Debian and Ubuntu: apt install python3-venv)"
}

install() { # $1: extra, "" or [dev]; $2: interpreter to build on
  if [ -e "$unfinished" ] || ! "$python" -m pip --version >/dev/null 2>&1; then make_venv "$2"; fi
  : >"$unfinished"
  say "run.sh: installing at2$1 into $venv (some minutes the first time)"
  pip_install "torch==$(sed -n 's/^torch==//p' "$root/constraints.txt")" # first, so that nothing pulls another build
  pip_install --editable "$root$1"
  fingerprint "$1" >"$venv/.at2-stamp$1"
  [ -z "$1" ] || fingerprint "" >"$venv/.at2-stamp"
  [ "$1" != "[dev]" ] || fingerprint "[report]" >"$venv/.at2-stamp[report]" # which is part of it
  rm -f "$unfinished"
}

set_up() { # $1: extra; one call at a time, the others wait and then find the work done
  local base
  if is_ready "$1"; then return; fi
  base="$(find_python)"
  [ -w "$root" ] || fail "cannot write into $root; copy the repository to a folder that you may write to"
  exec 9>"$root/.venv.lock"
  "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' # held by this shell's descriptor 9 until it closes
  is_ready "$1" || install "$1" "$base"
  exec 9>&-
}

check() { # $@: further arguments of pytest
  cd "$root"
  "$python" -m ruff check .
  "$python" -m ruff format --check .
  "$python" -m mypy
  OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$python" -m pytest -n 2 "$@"
}

if [ -d "${AT2_MIRROR:-}" ]; then AT2_MIRROR="$(cd "$AT2_MIRROR" && pwd)" && export AT2_MIRROR; fi

case "${1:-}" in
  test)
    shift
    set_up "[dev]"
    check "$@"
    ;;
  at2)
    shift
    case "${1:-}" in
      report) set_up "[report]" ;;
      *) set_up "" ;;
    esac
    exec "$python" -m at2 "$@"
    ;;
  *)
    set_up ""
    exec "$python" -m at2 sweep --fetch --record "$root/record" "$@"
    ;;
esac
