"""PEFT itself, where it is installed: what it saves goes to GGUF and back, and PEFT computes the same logits with it."""
from __future__ import annotations

import numpy as np
import pytest
from adapter_files import LLAMA
from qlora_gguf import adapters

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

TOKENS = [[3, 17, 90, 4, 4, 121, 60, 7, 159, 0, 33]]
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CONFIGS = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "patterns": {"rank_pattern": {"k_proj": 2, r"layers\.1\.mlp\.up_proj": 7}, "alpha_pattern": {"v_proj": 3, "down_proj": 40}},
    "some linears": {"target_modules": ["k_proj", "up_proj"]},
    "dora": {"use_dora": True, "rank_pattern": {"k_proj": 2}},
    "miss": {"method": peft.MissConfig, "r": 6, "lora_alpha": None, "init_weights": True},
    "norms": {"modules_to_save": ["layernorm", "model.norm"]},
    "whole linears": {"modules_to_save": ["1.mlp.down_proj", "2.self_attn.k_proj"]},
    "parameters": {"target_modules": ["v_proj"], "target_parameters": ["q_proj.weight"]},
    "some layers": {"layers_to_transform": [0, 2], "exclude_modules": ["o_proj"]},
    "a regular expression": {"target_modules": r".*layers\.[02]\.self_attn\.(q|v)_proj"},
}


def model():
    return transformers.LlamaForCausalLM.from_pretrained(LLAMA, dtype=torch.float32).eval()


def logits(m) -> np.ndarray:
    with torch.no_grad():
        return m(torch.tensor(TOKENS)).logits.numpy()


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_stay_the_same_through_gguf(tmp_path, name):
    options = {"r": 4, "lora_alpha": 9, "target_modules": LINEARS, "task_type": "CAUSAL_LM", **CONFIGS[name]}
    method = options.pop("method", peft.LoraConfig)
    config = method(**{key: value for key, value in options.items() if value is not None})
    trained = peft.get_peft_model(model(), config).eval()
    torch.manual_seed(1)
    for parameter_name, parameter in trained.named_parameters():
        if "magnitude" in parameter_name or "modules_to_save" in parameter_name:
            parameter.data *= 1 + 0.2 * torch.randn(parameter.shape)
        elif "lora_B" in parameter_name or "miss_" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.3)
    trained.save_pretrained(tmp_path / "saved")

    base = adapters.Base.open(LLAMA)
    adapters.write_gguf(adapters.read_peft(tmp_path / "saved", base), tmp_path / "a.gguf", base)
    adapters.write_peft(adapters.read_gguf(tmp_path / "a.gguf", base), base, tmp_path / "again")
    again = peft.PeftModel.from_pretrained(model(), tmp_path / "again").eval()

    expected, plain = logits(trained), logits(model())
    assert np.abs(expected - plain).max() > 0.1  # the adapter does something
    assert np.abs(logits(again) - expected).max() < 1e-4
