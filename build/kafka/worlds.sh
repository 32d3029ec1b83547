#!/usr/bin/env bash
# usage: worlds.sh OUT COMMAND [ARGUMENT]...
# Runs worlds on real brokers: COMMAND is "kvsim run ..." with its output in the
# directory OUT. Exits 0 when the worlds held, and 1 for a violation.
#
# Brokers that are slow, or that a fault finds nothing to bite at, are no failure
# of the code: when nothing could be judged that is said, and the exit code is 0.
# A failure of the harness, such as brokers that do not start, is tried once more,
# and said. What is said for a summary begins with "sim-kafka: ".
set -uo pipefail
out=$1
shift
mkdir -p "$out"
touch "$out/began"

for try in first second; do
  "$@"
  status=$?
  case $status in
    0) exit 0 ;;
    2)
      echo "sim-kafka: skipped: no world could be judged in $SECONDS s, which is no failure of the code"
      exit 0
      ;;
    3)
      if [ $try = first ]; then
        echo "sim-kafka: the harness failed (its output is above) and was tried once more"
        continue
      fi
      ;;
  esac
  break
done
find "$out" -name verdict.txt -newer "$out/began" -exec cat {} +
exit "$status"
