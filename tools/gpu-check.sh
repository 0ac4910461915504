#!/usr/bin/env bash
# Checks and measures the CUDA backend on this machine's card within ten minutes, and writes report.json and report.md.
#   tools/gpu-check.sh [--device cuda:N|cuda-emu] [--bin FOLDER] [--out FOLDER] [--minutes N]
#   --device    which card; cuda-emu: the emulation, to try the check itself (default cuda:0)
#   --bin       folder with built programs and, for the gradients, ql_test_backends; without it they are built for the card's
#               own compute capability, in build/gpu-check
#   --out       where the report goes (default gpu-check-report)
#   --minutes   of all steps after the build (default 8); what is left out for want of time is in the report
# Steps: conformance of every operator, gradients, training beside the CPU's losses, compute-sanitizer where it is
# installed, products, training and generation by ql-bench, and PyTorch with PEFT and bitsandbytes where python3 (or
# $QL_PEERS_PYTHON) has them. Nothing on the card is changed or reset.
# Ends with 0: all passed; 1: something failed; 2: bad options; 77: there is no driver or no compiler, so nothing was checked.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
device=cuda:0 bin="" out=gpu-check-report minutes=8
while [ $# -gt 0 ]; do
    case $1 in
    --device | --bin | --out | --minutes)
        [ $# -gt 1 ] || { echo "gpu-check: $1 needs a value" >&2; exit 2; }
        declare "${1#--}=$2"; shift 2 ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
[[ $device =~ ^(cuda|cuda-emu)(:[0-9]+)?$ ]] || { echo "gpu-check: --device: '$device' is no card: cuda, cuda:N or cuda-emu" >&2; exit 2; }
[[ $minutes =~ ^[1-9][0-9]?$ ]] || { echo "gpu-check: --minutes: '$minutes' is no number from 1 to 99" >&2; exit 2; }

index=${device#cuda}; index=${index#:}
card=() # name, compute capability, driver, MiB of memory
if [[ $device = cuda-emu* ]]; then
    card=("emulated" "8.6" "none" "4096")
elif command -v nvidia-smi >/dev/null &&
    row=$(nvidia-smi -i "${index:-0}" --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader,nounits 2>/dev/null) &&
    [ -n "$row" ]; then
    IFS=, read -r -a card <<<"$row"
else
    echo "gpu-check: there is no NVIDIA driver on this machine, or it sees no card; nothing was checked" >&2
    exit 77
fi

build_seconds=null
if [ -z "$bin" ]; then
    nvcc=$(command -v nvcc || echo "${CUDA_PATH:-/usr/local/cuda}/bin/nvcc")
    if [[ $device != cuda-emu* ]] && [ ! -x "$nvcc" ]; then
        echo "gpu-check: nvcc was not found (\$PATH, \$CUDA_PATH, /usr/local/cuda); nothing was checked" >&2
        exit 77
    fi
    arch=${card[1]//[!0-9]/}
    cuda=on backend=ql_backend_cuda
    [[ $device != cuda-emu* ]] || { cuda=off; backend=ql_backend_cuda_emu; }
    begin=$SECONDS
    (cd "$root" && cmake --preset release -B build/gpu-check -DQL_CUDA=$cuda -DQL_CUDA_ARCHITECTURES="$arch" \
        -DQL_BUILD_TESTS=ON -DQL_BUILD_PROGRAMS=ON >/dev/null &&
        cmake --build build/gpu-check -j "$(nproc)" --target $backend ql-bench ql-doctor ql-finetune ql_test_backends >build/gpu-check/build.log 2>&1) ||
        { tail -20 "$root/build/gpu-check/build.log" >&2; echo "gpu-check: the build failed" >&2; exit 1; }
    build_seconds=$((SECONDS - begin))
    bin=$root/build/gpu-check/bin
fi
[ -x "$bin/ql-bench" ] || { echo "gpu-check: $bin has no ql-bench" >&2; exit 2; }
[[ $device != cuda-emu* ]] || export QL_BACKEND_PATH="${QL_BACKEND_PATH:-$(dirname "$bin")/test-backends}"
exec python3 -B "$root/tools/lib/gpu_check.py" --device "$device" --bin "$bin" --out "$out" --minutes "$minutes" \
    --build-seconds "$build_seconds" --card "$(IFS=,; echo "${card[*]}")"
