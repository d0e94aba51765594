#!/bin/sh
# Builds the slot store with each planted bug in turn and expects the crash sweep to notice it.
# Usage: tests/crash/mutants.sh [build folder]. Exits 0 when the sweep passes without a bug and fails with each.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/mutants}
missed=0

# run NUMBER: the sweep's output goes to $build/mutant.log.
run() {
  cmake --preset release -B "$build" -DSLUICE_MUTANT="$1" >"$build.configure.log" 2>&1 ||
    { cat "$build.configure.log"; exit 2; }
  ninja -C "$build" slot_crash_sweep_test >"$build.ninja.log" 2>&1 ||
    { tail -30 "$build.ninja.log"; exit 2; }
  timeout 600 "$build/tests/crash/slot_crash_sweep_test" --gtest_filter='SlotCrashSweep.*' \
    >"$build/mutant.log" 2>&1
}

expect_noticed() {
  if run "$1"; then
    echo "mutant $1 MISSED: $2"
    missed=1
  else
    echo "mutant $1 noticed: $2"
    grep -m 1 'E_[A-Z]*: ' "$build/mutant.log" | sed 's/^/  /'
  fi
}

if ! run 0; then
  echo "the sweep fails without a planted bug:"
  cat "$build/mutant.log"
  exit 1
fi
echo "no bug: passes"
grep 'states/s' "$build/mutant.log" | sed 's/^/  /'
expect_noticed 1 "model.part is not synced before READY"
expect_noticed 2 "a record is written without fdatasync"
expect_noticed 3 "the newer copy of the record is overwritten"
expect_noticed 4 "the slot is touched before the WRITING record is synced"
expect_noticed 5 "the progress journal is written before the data"
exit $missed
