#!/usr/bin/env bash
# Set up what is missing, then run the trader in the current directory (env files and data are read from there).
#
#   scripts/run-v3.sh [ENVIRONMENT] [MARKETS] [PORT] [arguments of `traderv3 run` ...]
#   scripts/run-v3.sh sim                      no key needed: the trader starts its own exchange
#   scripts/run-v3.sh paper auto:15 8005       the default, Kalshi's demo exchange
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
arguments=()
for option in '' --markets --port; do
    case ${1:--} in -*) break ;; esac
    arguments+=(${option:+"$option"} "$1")
    shift
done

"$root/scripts/setup.sh"
exec "$root/.venv/bin/traderv3" run ${arguments[@]+"${arguments[@]}"} "$@"
