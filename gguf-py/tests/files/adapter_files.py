"""PEFT directories for tests: sound ones, and ones with a fault."""
from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from support import ROOT, golden
from qlora_gguf import adapters, quants

LLAMA = ROOT / "tests/golden/arch/llama"  # a Hugging Face directory of 3 layers, 4 heads of 16, 2 of keys
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "use_dora": False, "use_rslora": False,
          "rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None, "init_lora_weights": True,
          "target_modules": "all-linear", "base_model_name_or_path": "some/llama"}
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
Q0 = "model.layers.0.self_attn.q_proj"


def trained() -> dict[str, np.ndarray]:
    """The tensors of an adapter that PEFT trained."""
    return {f"base_model.model.{name.removeprefix('final.')}": values for name, values in golden("lora/f32").items()
            if name.startswith("final.")}


def save(path: Path, tensors: dict[str, np.ndarray], dtype: str = "F32") -> None:
    """A safetensors file of a type that the package does not write."""
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.astype(np.float32).tobytes() if dtype == "F32" else quants.encode(values, dtype).tobytes()
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_peft(folder: Path, tensors: dict[str, np.ndarray] | None = None, dtype: str = "F32", **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    save(folder / "adapter_model.safetensors", trained() if tensors is None else tensors, dtype)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **config}))
    return folder


def with_ranks(ranks: dict[str, int]) -> dict[str, np.ndarray]:
    """Matrices of these ranks for modules whose names end so; others have 4."""
    rng, tensors = np.random.default_rng(9), trained()
    for name, values in tensors.items():
        r = next((r for end, r in ranks.items() if f".{end}.lora_" in name), 4)
        shape = (r, values.shape[1]) if "lora_A" in name else (values.shape[0], r)
        tensors[name] = rng.standard_normal(shape).astype(np.float32)
    return tensors


def write_of_another_base(folder: Path) -> tuple[adapters.Base, adapters.Adapter]:
    """wrong.gguf and the PEFT directory wrong/: the same adapter, of another base than the one that it fits."""
    base = adapters.Base.open(LLAMA)
    adapter = adapters.read_peft(write_peft(folder / "plain"), base)
    adapter.origin["qlora.base.identity"] = "00000000deadbeef"
    adapters.write_gguf(adapter, folder / "wrong.gguf", base, any_base=True)
    adapters.write_peft(adapter, base, folder / "wrong", any_base=True)
    return base, adapter
