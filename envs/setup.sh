#!/usr/bin/env bash
# Builds .venv-engine (Snakemake) and .venv (Isaac Lab, LeRobot) from the hash-pinned locks beside this file.
# A stamp in each environment says which lock it holds: what is already there is skipped.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

runs() { # runs COMMAND...: does this Python start, and is it 3.12? (a pyenv shim may exist and exit 127)
    "$@" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' >/dev/null 2>&1
}

find_python() { # prints a Python 3.12, or nothing
    local candidate
    for candidate in "${PYTHON:-}" python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python; do
        if [ -n "$candidate" ] && runs "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
}

find_uv() { # prints a uv: the one on the PATH, or one installed into .venv-uv
    if uv --version >/dev/null 2>&1; then
        command -v uv
        return
    fi
    if ! .venv-uv/bin/uv --version >/dev/null 2>&1; then
        "${1:-python3}" -m venv --clear .venv-uv >&2 &&
            .venv-uv/bin/python -m pip install --quiet --require-hashes -r envs/uv.txt >&2 || return 0
    fi
    echo "$root/.venv-uv/bin/uv"
}

stamp_of() { # the lock's hash and the place: scripts in an environment name their interpreter by its full path
    echo "$(sha256sum <"envs/$1.txt" | cut -d' ' -f1) $root"
}

build() { # build ENVIRONMENT LOCK
    local environment=$1 lock=$2
    if [ "$(cat "$environment/rev2fwd.stamp" 2>/dev/null)" = "$(stamp_of "$lock")" ]; then
        return
    fi
    if [ -z "${python+set}" ]; then
        python=$(find_python)
        uv=$(find_uv "$python")
    fi
    if [ -n "$uv" ]; then
        echo "setup: $environment from envs/$lock.txt with uv"
        if ! runs "$environment/bin/python" || ! grep -qs "$root" "$environment/bin/activate"; then
            "$uv" venv --quiet --clear --python "${python:-3.12}" "$environment"
        fi
        "$uv" pip sync --quiet --require-hashes --compile-bytecode --python "$environment/bin/python" "envs/$lock.txt"
    elif [ -n "$python" ]; then
        echo "setup: $environment from envs/$lock.txt with pip (uv could not be had)"
        "$python" -m venv --clear "$environment"
        "$environment/bin/python" -m pip install --quiet --require-hashes -r "envs/$lock.txt"
    else
        echo "error: no Python 3.12 and no uv to fetch one" >&2
        echo "  do:       install Python 3.12, or name one: make setup PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
    echo "$root/src" >"$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/rev2fwd_il.pth"
    stamp_of "$lock" >"$environment/rev2fwd.stamp"
}

if [ "${1:-}" = --uv ]; then # used by `make lock`
    find_uv "$(find_python)"
    exit
fi
if [ "${1:-}" = --docs ]; then # used by `make docs`
    build .venv-docs docs
    exit
fi
build .venv-engine engine
build .venv work
