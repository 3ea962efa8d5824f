#!/usr/bin/env bash
# Everything a fresh machine needs: .venv with locked dependencies and the project, node_modules, the built console.
# Each step leaves a stamp with a hash of its inputs; as long as they are the same it costs one sha256sum, nothing more.
#
#   scripts/setup.sh          what running needs (a missing Node is a warning: the trader runs without its console)
#   scripts/setup.sh --dev    and what the checks need
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
frontend=$root/frontend
static=$root/traderv3/console/static
node_major_min=20
lock=requirements.lock
[ "${1:-}" = --dev ] && lock=requirements-dev.lock
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

say() { printf 'setup: %s\n' "$*" >&2; }

hash_of() { # hash_of FILE...: names and contents
    sha256sum -- "$@" | sha256sum | cut -d' ' -f1
}

is_stamped() { # is_stamped STAMP HASH
    [ -f "$1" ] && [ "$(<"$1")" = "$2" ]
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() { apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "$@" >&2; }

find_python() { # the first interpreter that is new enough
    local candidate
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$candidate" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    local python package
    if ! python=$(find_python); then
        if can_install && apt_install python3 python3-venv && python=$(find_python); then :; else
            say "Python 3.11 or newer is missing. On Debian: apt-get install python3 python3-venv"
            exit 1
        fi
    fi
    "$python" -m venv --clear "$venv" >&2 && return
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if can_install && apt_install "$package" && "$python" -m venv --clear "$venv" >&2; then return; fi
    say "$python cannot make a virtual environment. On Debian: apt-get install $package"
    exit 1
}

setup_python() {
    local wanted dev_wanted stamp=$venv/.stamp-$lock
    wanted=$(python_hash "$lock")
    is_stamped "$stamp" "$wanted" && return
    # What the checks need contains what running needs.
    dev_wanted=$(python_hash requirements-dev.lock)
    is_stamped "$venv/.stamp-requirements-dev.lock" "$dev_wanted" && return
    # A copied or half-made environment, or one whose Python was upgraded away, cannot be repaired: make it anew.
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 || ! grep -qsF "$venv/bin/" "$venv/bin/pip"; then
        say "making the virtual environment .venv"
        make_venv
    fi
    say "installing $lock"
    "$venv/bin/python" -m pip install -qq --require-hashes -r "$root/$lock" >&2
    "$venv/bin/python" -m pip install -qq --no-deps --no-build-isolation -e "$root" >&2
    printf '%s' "$wanted" >"$stamp"
}

python_hash() { # python_hash LOCK
    printf '%s ' "$root"
    hash_of "$root/$1" "$root/pyproject.toml" "$root/scripts/setup.sh"
}

node_major() { node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p'; }

has_node() {
    local major
    command -v npm >/dev/null || return 1
    major=$(node_major)
    [ -n "$major" ] && [ "$major" -ge "$node_major_min" ]
}

need_node() {
    has_node && return
    if can_install; then
        apt-get update -qq >&2 || true
        local candidate
        candidate=$(apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p')
        if [ -n "$candidate" ] && [ "$candidate" -ge "$node_major_min" ]; then
            apt-get install -y -qq --no-install-recommends nodejs npm >&2 || true
            has_node && return
        fi
    fi
    say "Node $node_major_min or newer with npm is missing (found: $(node --version 2>/dev/null || echo none))."
    say "Install it (nodejs.org, or a Debian release that has it: apt-get install nodejs npm) and run scripts/setup.sh."
    return 1
}

install_packages() {
    cd "$frontend" || return 1
    # A lock file written where a registry lacked other platforms' optional packages is refused by `npm ci`, though
    # every package of this platform is in it with its hash: then install from it without rewriting it.
    npm ci --no-audit --no-fund --silent >&2 </dev/null ||
        npm install --no-save --no-audit --no-fund --loglevel=error >&2 </dev/null
}

setup_console() {
    local packages build files
    [ -f "$frontend/package-lock.json" ] || return 0
    packages=$(hash_of "$frontend/package.json" "$frontend/package-lock.json")
    mapfile -d '' files < <(find "$frontend" \( -name node_modules -o -name dist -o -name coverage \) -prune -o -type f -print0 | sort -z)
    build=$(hash_of "${files[@]}")
    if ! is_stamped "$frontend/node_modules/.stamp" "$packages"; then
        need_node || return 1
        say "installing the console's packages"
        (install_packages) || return 1
        printf '%s' "$packages" >"$frontend/node_modules/.stamp"
    fi
    if ! is_stamped "$frontend/node_modules/.stamp-build" "$build" || [ ! -f "$static/index.html" ]; then
        need_node || return 1
        say "building the console"
        (cd "$frontend" && npm run --silent build >&2 </dev/null) || return 1
        printf '%s' "$build" >"$frontend/node_modules/.stamp-build"
    fi
}

main() {
    exec 9<"$root/scripts/setup.sh"
    flock 9 # two set-ups at once would tear each other's work
    setup_python
    if ! setup_console; then
        say "the console is not built; the trader runs without it and its page says how to build it"
    fi
    exec 9<&-
}

main
