#!/usr/bin/env bash
# The full counts: every test, those marked `soak` too, recordings whole, properties with 5,000 random examples.
# Appends when, what and how it ended to docs/simulation.md. Arguments go to pytest: scripts/soak.sh -k supervisor
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
exec </dev/null
record=docs/simulation.md

scripts/setup.sh --dev || exit 1
mkdir -p docs
output=$(mktemp)
trap 'rm -f "$output"' EXIT

started=$SECONDS
audit=$(scripts/audit.sh 2>&1 | tail -n 1)
V3_SOAK=1 HYPOTHESIS_PROFILE=soak .venv/bin/python -m pytest -n $(($(nproc) < 2 ? 1 : 2)) "$@" 2>&1 | tee "$output"
status=${PIPESTATUS[0]}

revision=$(git rev-parse --short HEAD 2>/dev/null || echo 'no commit')
{
    printf '\n## %s, %s\n\n' "$(date -u +%Y-%m-%dT%H:%MZ)" "$revision"
    printf -- '- ran: `pytest%s` with V3_SOAK=1, %s, %d s\n' "${*:+ $*}" "$(.venv/bin/python --version)" $((SECONDS - started))
    printf -- '- result: %s\n' "$(tail -n 1 "$output" | tr -d '=' | sed 's/^ *//; s/ *$//')"
    printf -- '- %s\n' "$audit"
    sed -n 's/^campaign: /- campaign: /p' "$output"
    sed -n 's/^\(FAILED\|ERROR\) /- \1 /p' "$output"
} >>"$record"
echo "appended to $record"
exit "$status"
