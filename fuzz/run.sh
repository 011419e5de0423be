#!/usr/bin/env bash
# Runs every target of fuzz/targets.rs, or those that are named, for some seconds each, two at a time:
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# Needs cargo on the stable toolchain and a C++ compiler. The product's modules are compiled with the compiler's own coverage
# counters, which libFuzzer, compiled by its crate, steers by; no sanitizer, since the code has no unsafe block.
#
# A crash, an input that takes a second, or one that makes the process outgrow 512 MB fails the run and is left in
# fuzz/regressions/TARGET/: commit it with the repair, and `cargo test` replays it from then on. What was learned stays
# in target/fuzz/corpus and is begun with the next time.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
work=${CARGO_TARGET_DIR:-$(cd .. && pwd)/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
coverage+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
coverage+=' -Cllvm-args=-sanitizer-coverage-trace-compares'

# With a target named, procedure macros and build scripts are spared the counters.
RUSTFLAGS="$coverage" CARGO_TARGET_DIR="$work" cargo build --quiet --locked --release --target "$host"
program=$work/$host/release/fuzz

# fuzz TARGET: one target, its figures on one line.
fuzz() {
    local target=$1 log=$work/$1.log corpus=$work/corpus/$1 kept=regressions/$1 before status=0 found
    mkdir -p "$corpus" "$kept"
    before=$(ls "$kept")
    GURNEY_FUZZ_TARGET=$target GURNEY_FUZZ_SEEDS=$corpus "$program" -max_total_time="$seconds" -max_len=8192 \
        -timeout=1 -rss_limit_mb=512 -dict=hl7.dict -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$kept/" "$corpus" "$kept" >"$log" 2>&1 || status=$?
    found=$(comm -13 <(printf '%s\n' "$before") <(ls "$kept"))
    # A machine that stood still for a second is no fault of the code: what took long must do so again.
    if [ "$status" != 0 ] && [[ $found == timeout-* ]] &&
        GURNEY_FUZZ_TARGET=$target "$program" -timeout=1 "$kept/$found" >>"$log" 2>&1; then
        rm "$kept/$found"
        status=0
    fi
    if [ -z "$(ls "$kept")" ]; then rmdir "$kept"; fi
    if [ "$status" != 0 ]; then
        tail -n 60 "$log"
        echo "$target: FAILED, see fuzz/$kept/$found"
        return 1
    fi
    awk -v target="$target" '
        / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corpus = $(i + 1) } }
        /number_of_executed_units/ { runs = $2 }
        /peak_rss_mb/ { peak = $2 }
        END { printf "%-24s %9d runs, %5d places reached, %s inputs kept, %d MB\n", target, runs, cov, corpus, peak }' "$log"
}
export -f fuzz
export seconds work program

mkdir -p regressions
if [ $# = 0 ]; then
    mapfile -t targets < <(sed -n 's/^    Target { name: "\([a-z0-9_]*\)".*/\1/p' targets.rs)
    set -- "${targets[@]}"
fi
printf '%s\n' "$@" | xargs -P 2 -I TARGET bash -euo pipefail -c 'fuzz TARGET'
