#!/bin/sh
# Runs selftest/input.bin and compares with the reference model's output for it.
# An emulator may stand in RUN: RUN=qemu-aarch64 ./selftest.sh
cd "$(dirname "$0")" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

echo "edgemnv2 @VERSION@, self-test of @NAME@"
if ! $RUN ./bench --inputs selftest/input.bin --outputs "$work/out.bin" --warmup 1 --repeat 5 \
    > "$work/facts"; then
    echo "Test_result: FAIL, bench did not run"
    exit 1
fi
echo "arena_bytes: @ARENA@"
awk '$2 == "seconds" && (!n++ || $3 < least) { least = $3 }
    $2 == "peak_rss_bytes" { print "peak_rss_bytes: " $3 }
    END { print "seconds: " least }' "$work/facts"

# One number a line.
od -An -v -w@ELEMENT_BYTES@ -t @OD_TYPE@ selftest/expected.bin > "$work/expected"
od -An -v -w@ELEMENT_BYTES@ -t @OD_TYPE@ "$work/out.bin" > "$work/actual"
paste "$work/expected" "$work/actual" | awk '
    { error = $1 - $2; if (error < 0) error = -error }
    NF != 2 || error > @TOLERANCE@ || ($1 $2) ~ /[nN]/ { if (!different++) { at = NR - 1; want = $1; got = $2 } }
    END {
        if (NR == @OUTPUT_COUNT@ && !different) { print "Test_result: PASS"; exit 0 }
        printf "Test_result: FAIL, first at index %d: expected %s, got %s (%d of %d differ)\n", \
            at, want, got, different, NR
        exit 1
    }'
