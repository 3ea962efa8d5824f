#!/usr/bin/env bash
# Known vulnerabilities in what we depend on: pip-audit over the lock, npm audit over package-lock.json. Asks the package
# registries and the advisory databases behind them, nothing else; says plainly if one does not answer.
# The last line is the result in a sentence. Exit codes: 0 nothing known, 1 something found, 2 at least one could not be asked
# (and the others found nothing).
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
exec </dev/null
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
workshop=$(mktemp -d)
trap 'rm -rf "$workshop"' EXIT
found=() unasked=() clean=()

say() { printf 'audit: %s\n' "$*"; }

verdict() { # verdict NAME STATUS OUTPUT ANSWERED: STATUS as the tool's; ANSWERED is 1 if the output is a report
    if [ "$4" != 1 ]; then
        say "$1: NOT AUDITED, the registry or its advisory database did not answer:"
        grep . "$3" | tail -n 3 | cut -c1-300 | sed 's/^/    /'
        unasked+=("$1")
    elif [ "$2" = 0 ]; then
        say "$1: no known vulnerability"
        clean+=("$1")
    else
        cat "$3"
        say "$1: KNOWN VULNERABILITIES, see above"
        found+=("$1")
    fi
}

audit_python() {
    local output=$workshop/pip.txt answered=0 status=0
    if python3 -m venv "$workshop/venv" && "$workshop/venv/bin/pip" install -q --retries 1 --timeout 30 pip-audit >"$output" 2>&1; then
        timeout 300 "$workshop/venv/bin/pip-audit" --disable-pip --require-hashes -r "$1" >"$output" 2>&1 || status=$?
        # With a registry that keeps no advisories pip-audit finds nothing, skips every package, and is content with that.
        grep -qE '^(No known vulnerabilities found|Found [0-9]+ known vulnerabilit)' "$output" &&
            ! grep -q 'could not be audited' "$output" && answered=1
        grep -qE '^Found [0-9]+ known vulnerabilit' "$output" && answered=1
    fi
    verdict "$1" "$status" "$output" "$answered"
}

audit_console() {
    local output=$workshop/npm.txt answered=0 status=0
    (cd frontend && timeout 300 npm audit --package-lock-only --fetch-retries=1 --fetch-timeout=30000) >"$output" 2>&1 || status=$?
    grep -qE '^(found 0 vulnerabilities|[0-9]+ (.* severity )?vulnerabilit)' "$output" && answered=1
    verdict frontend/package-lock.json "$status" "$output" "$answered"
}

audit_python requirements.lock
audit_python requirements-dev.lock
audit_console

if [ ${#found[@]} -gt 0 ]; then
    say "RESULT: known vulnerabilities in ${found[*]}; not audited: ${unasked[*]:-none}"
    exit 1
elif [ ${#unasked[@]} -gt 0 ]; then
    say "RESULT: not audited, no answer: ${unasked[*]}; no known vulnerability in: ${clean[*]:-none}"
    exit 2
fi
say "RESULT: no known vulnerability in ${clean[*]}"
