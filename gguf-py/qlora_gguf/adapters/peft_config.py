"""adapter_config.json: rank and scale of each module, and the refusal of everything that is not plain LoRA."""
from __future__ import annotations

import math
import re

import numpy as np

from ..errors import GgufError
from ..files import Path
from ..json_file import JsonFile, says_nothing
from .patterns import compile_pattern

# Settings that change what the adapter computes or carries.
_REFUSED = {
    "use_dora": "DoRA",
    "use_qalora": "QALoRA",
    "bias": "trained biases",
    "lora_bias": "a bias on B",
    "modules_to_save": "whole trained modules",
    "trainable_token_indices": "trained token embeddings",
    "target_parameters": "LoRA on bare parameters",
    "layer_replication": "replicated layers",
    "alora_invocation_tokens": "activated LoRA",
    "arrow_config": "routed experts",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "use_bdlora": "block-diagonal LoRA",
    "megatron_config": "Megatron",
    "fan_in_fan_out": "transposed weights",
}
# Fields that do not affect what the finished adapter computes: its tensors say which modules it changes.
_HARMLESS = dict.fromkeys(
    ["task_type", "auto_mapping", "peft_version", "revision", "inference_mode", "exclude_modules", "layers_to_transform",
     "layers_pattern", "lora_dropout", "corda_config", "eva_config", "loftq_config", "lora_ga_config", "velora_config",
     "megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying", "unsloth_version"])
_SAME_BASE = ("gaussian", "eva", "orthogonal", "mica")  # other named initialisations change the base model, too
_MAX_PATTERNS = 4096
_MAX_RANK = 1 << 20


def _refuse_variants(config: JsonFile) -> None:
    if config.at("peft_type") is None and not (config.at("lora_parameters") is None and config.at("fine_tune_type") is None):
        raise GgufError("this is an MLX adapter (lora_parameters, no peft_type), which is not supported; PEFT directories "
                        "are", config.path)
    if config.text("peft_type") != "LORA":
        raise GgufError(f"peft_type '{config.text('peft_type')[:40]}' is not supported, only LORA is", config.path)
    for key, why in _REFUSED.items():
        value = config.at(key)
        if not (says_nothing(value) or value == "none"):
            raise GgufError(f"{why} ({key}) is not supported, only plain LoRA on linear layers is", config.path)
    init = config.at("init_lora_weights")
    if isinstance(init, str) and init not in _SAME_BASE:
        raise GgufError(f"init_lora_weights '{init[:40]}' changes the base model; save the adapter converted to plain LoRA",
                        config.path)


class PeftConfig:
    def __init__(self, path: Path) -> None:
        """raises  OSError, GgufError"""
        config = JsonFile.open(path)
        self.path = path
        _refuse_variants(config)
        self._r, self._alpha = config.number("r"), config.number("lora_alpha")
        self._rslora = config.flag("use_rslora", False)
        self.base_name = config.text("base_model_name_or_path", "")
        try:
            self._r_patterns = self._patterns(config, "rank_pattern")
            self._alpha_patterns = self._patterns(config, "alpha_pattern")
            self._targets: list[str] = []
            self._target_pattern: re.Pattern[str] | None = None
            self._read_targets(config)
        except GgufError as e:
            raise e if e.path is not None else GgufError(e.what, path) from None
        config.refuse_unread(_HARMLESS)

    @staticmethod
    def _patterns(config: JsonFile, key: str) -> list[tuple[re.Pattern[str], float]]:
        part = config.part(key)
        if len(part.items()) > _MAX_PATTERNS:
            raise GgufError(f"'{key}' has {len(part.items())} patterns, {_MAX_PATTERNS} are possible")
        # PEFT matches a pattern against the end of the module's path, from a dot or the beginning on.
        return [(compile_pattern(rf"^(.*\.)?({pattern})$"), part.number(pattern)) for pattern in part.items()]

    def _read_targets(self, config: JsonFile) -> None:
        targets = config.at("target_modules")
        if isinstance(targets, list):
            if not all(isinstance(name, str) for name in targets):
                raise config.wrong("target_modules", "must hold names")
            self._targets = targets
        elif isinstance(targets, str) and targets != "all-linear":
            self._target_pattern = compile_pattern(rf"^(?:{targets})$")

    def targets(self, module: str) -> bool:
        """Whether target_modules names the module: PEFT ignores the matrices of others."""
        if self._target_pattern is not None:
            return self._target_pattern.search(module) is not None
        return not self._targets or any(module == name or module.endswith(f".{name}") for name in self._targets)

    def scaling(self, module: str) -> tuple[int, float]:
        """Rank and scale of a module by its path, "model.layers.0.self_attn.q_proj"."""
        r, alpha = (next((value for regex, value in patterns if regex.search(module)), otherwise)
                    for patterns, otherwise in ((self._r_patterns, self._r), (self._alpha_patterns, self._alpha)))
        if not (1 <= r <= _MAX_RANK and r == math.floor(r)):
            raise GgufError(f"the rank of '{module[:80]}' is {r:g}", self.path)
        with np.errstate(over="ignore"):
            return int(r), float(np.float32(alpha / (math.sqrt(r) if self._rslora else r)))
