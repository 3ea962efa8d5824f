#!/usr/bin/env bash
# Set up what is missing, then run every check. All run, whatever failed before; pytest comes last, its summary is the
# last line, and the exit code is not 0 if any of them failed. Arguments go to pytest: scripts/test.sh -k session
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
exec </dev/null
export DEBIAN_FRONTEND=noninteractive CI=${CI:-true} HYPOTHESIS_PROFILE=${HYPOTHESIS_PROFILE:-ci}

has_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

need_chromium() {
    has_chromium >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing chromium for the browser tests"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends chromium >/dev/null
    fi
    has_chromium >/dev/null && return
    echo "Chromium is missing, and the browser tests need it. On Debian: apt-get install chromium"
    return 1
}

need_postgres() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing postgresql for the database tests"
        apt-get update -qq >&2 && apt-get install -y -qq postgresql-common >/dev/null # first, so that no cluster is started
        sed -ri 's/#?(create_main_cluster) .*/\1 = false/' /etc/postgresql-common/createcluster.conf
        apt-get install -y -qq --no-install-recommends postgresql >/dev/null
    fi
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
    echo "PostgreSQL is missing, and the database tests need it. On Debian: apt-get install postgresql"
    return 1
}

failed=()
check() { # check NAME COMMAND...
    local name=$1 started=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        printf '== %s: ok, %d s\n' "$name" $((SECONDS - started))
    else
        printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - started))
        failed+=("$name")
    fi
}

in_frontend() { (cd frontend && "$@"); }

if ! scripts/setup.sh --dev; then
    echo "set-up failed; nothing was checked"
    exit 1
fi
PATH=$root/.venv/bin:$PATH

check chromium need_chromium
check postgresql need_postgres
check format ruff format --check .
check lint ruff check .
# Not the optional rules: 124 and 9xx want a checkpoint in every async function, also where an interface asks for async.
check async-lint flake8 --select ASYNC --extend-ignore ASYNC124,ASYNC9 traderv3
check types mypy
check import-rules lint-imports
check message-types scripts/generate-types.sh --check
check console-lint in_frontend npm run --silent check
check console-tests in_frontend npm test --silent

printf '\n== pytest\n'
if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED before pytest: %s\n' "${failed[*]}"
fi
python -m pytest -n $(($(nproc) < 2 ? 1 : 2)) "$@"
status=$?
if [ ${#failed[@]} -gt 0 ] && [ $status = 0 ]; then
    status=1
fi
exit $status
