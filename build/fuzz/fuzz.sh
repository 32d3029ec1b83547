#!/usr/bin/env bash
# usage: build/fuzz/fuzz.sh TIME [PATTERN]
#
# Runs each fuzz target of the module whose name matches PATTERN for TIME (2s, 4m,
# or 1000x for so many executions), and prints how many executions it did. It fails if
# a target finds something, or did so few that it tested nothing. What is found is
# written to testdata/fuzz of the package, as a seed that go test runs from then on.
# Inputs that reach new code are kept in bin/fuzz/inputs for the next run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
time=${1:?usage: fuzz.sh TIME [PATTERN]} pattern=${2:-.}
least=500 # executions
out=$PWD/bin/fuzz
mkdir -p "$out/inputs" || exit 1

failed=()
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | grep -v /testdata/ | xargs -n 1 dirname | sort -u); do
  targets=$(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' | grep -E "$pattern" | sort) || continue
  binary=$out/$(tr / _ <<<"${dir#./}").test
  # The module's own code is compiled to say which parts of it an input reaches, as
  # go test -fuzz does with all that it links: that would be ten times as slow here.
  "${GO:-go}" test -c -gcflags=github.com/kvsim/kvsim/...=-d=libfuzzer -o "$binary" "$dir" || { failed+=("$dir"); continue; }
  for target in $targets; do
    # An input that reaches new code is not made smaller for a minute, as it would be
    # unless told otherwise: that time is better spent on other inputs.
    log=$(cd "$dir" && "$binary" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$time" \
      -test.fuzzminimizetime=10x -test.fuzzcachedir="$out/inputs/$dir" -test.timeout=0 2>&1)
    code=$? did=$(sed -n 's/.*execs: \([0-9]*\) .*/\1/p' <<<"$log" | tail -n 1)
    printf '%-60s %9d executions\n' "${dir#./} $target" "${did:-0}"
    # Go's fuzzing may end with that, and nothing else, when its time is over.
    if grep -qx ' *context deadline exceeded' <<<"$log" && ! grep -q 'Failing input\|panic:' <<<"$log"; then
      code=0
    fi
    if [ "$code" -ne 0 ]; then
      echo "$log"
      failed+=("$dir $target")
    elif [ "${did:-0}" -lt "$least" ]; then
      echo "$log"
      echo "it has to do $least" >&2
      failed+=("$dir $target")
    fi
  done
done
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
