#!/bin/sh
# real_image.sh BIN DIR: leaves the image of a small program in DIR, made with the programs in BIN.
set -eu
bin=$1
rm -rf "$2"
mkdir -m 700 -p "$2/run"
dir=$(cd "$2" && pwd)
export XDG_RUNTIME_DIR="$dir/run" CKPT_DIR="$dir" CKPT_IGNORE='pipe:*' # make's jobserver
"$bin/ckpt_launch" --name seed sh -c 'echo started; exec sleep 1000' </dev/null >"$dir/out" 2>&1 &
trap 'kill $! 2>/dev/null || :' EXIT
until grep -q started "$dir/out"; do sleep 0.1; done
job=$(tr '\0' '\n' <"/proc/$!/environ" | sed -n 's/^CKPT_JOB=//p')
"$bin/ckpt_command" --kill --job "$job" >/dev/null
