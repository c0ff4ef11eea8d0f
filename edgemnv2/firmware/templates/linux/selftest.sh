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

different=0
# compare OUTPUT FIRST BYTES TYPE ELEMENT_BYTES ELEMENTS TOLERANCE NEAR_TIES: bytes from FIRST
# (counted from 1) of the result against selftest/OUTPUT.bin, of which NEAR_TIES elements may be any:
# the last bits of floats decide about them. One number a line.
compare() {
    od -An -v -w"$5" -t "$4" "selftest/$1.bin" > "$work/expected"
    tail -c +"$2" "$work/out.bin" | head -c "$3" | od -An -v -w"$5" -t "$4" > "$work/actual"
    paste "$work/expected" "$work/actual" | awk -v name="@NAMED@" -v elements="$6" -v tolerance="$7" -v ties="$8" '
        { error = $1 - $2; if (error < 0) error = -error }
        NF != 2 || error > tolerance || ($1 $2) ~ /[nN]/ {
            if (!different++) { at = NR - 1; want = $1; got = $2 }
        }
        END {
            if (NR == elements && different <= ties) exit 0
            printf "Test_result: FAIL, %sfirst at index %d: expected %s, got %s (%d of %d differ)\n", \
                name, at, want, got, different, NR
            exit 1
        }' || different=1
}
@OUTPUTS@
[ "$different" = 0 ] || exit 1
echo "Test_result: PASS"
