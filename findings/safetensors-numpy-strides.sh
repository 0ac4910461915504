#!/usr/bin/env bash
# safetensors 0.8.0 (with numpy 2.4.6): safetensors.numpy writes an array that is a view with other strides as other values.
#
# Expected   save_file({"a": a}) and load_file give back the array: its shape, and its values in their places.
# Behaviour  Of an array whose memory is not in C order, such as a transpose, the bytes are written as they lie, under the shape
#            of the view: values change their places. Of a view with steps, a[:, ::2], what lies between is written in the place
#            of what the view has. No error, no warning. (safetensors.torch refuses such tensors.)
# Seen       transpose: [[0, 3], [1, 4], [2, 5]] -> [[0, 1], [2, 3], [4, 5]]
#            steps: [[0, 2], [4, 6]] -> [[0, 1], [2, 3]]
#            torch: refused
# Meaning    Call numpy.ascontiguousarray on all that safetensors.numpy is given. Weights that a script has transposed and saved so
#            are wrong in the file, whoever reads it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6 torch==2.15.0
cat >"$dir/strides.py" <<'PY'
import sys

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

path = f"{sys.argv[1]}/a.safetensors"
views = {"transpose": np.arange(6, dtype=np.int32).reshape(2, 3).T, "steps": np.arange(8, dtype=np.int32).reshape(2, 4)[:, ::2]}
for name, a in views.items():
    safetensors.numpy.save_file({"a": a}, path)
    print(f"{name}: {a.tolist()} -> {safetensors.numpy.load_file(path)['a'].tolist()}")
try:
    safetensors.torch.save_file({"a": torch.arange(6).reshape(2, 3).T}, path)
    print("torch: saved")
except ValueError:
    print("torch: refused")
PY
seen=$("$dir/venv/bin/python" "$dir/strides.py" "$dir" 2>/dev/null)
echo "$seen"
[ "$seen" = 'transpose: [[0, 3], [1, 4], [2, 5]] -> [[0, 1], [2, 3], [4, 5]]
steps: [[0, 2], [4, 6]] -> [[0, 1], [2, 3]]
torch: refused' ] || { echo "changed: another result than the one described above"; exit 1; }
