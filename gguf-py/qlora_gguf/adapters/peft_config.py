"""adapter_config.json: kind, modules, and which rank and scale each has; what computes something else is refused."""
from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import GgufError
from ..files import Path
from ..json_file import JsonFile, says_nothing
from .patterns import compile_pattern
from .peft_modules import PeftModules
from .tokens import MOST_TOKENS

# Settings that change what the adapter computes or carries; the first are true or false.
_REFUSED_FLAGS = {"use_qalora": "QALoRA", "lora_bias": "a bias on B", "fan_in_fan_out": "transposed weights"}
_REFUSED = {
    "bias": "trained biases",
    "layer_replication": "replicated layers",
    "arrow_config": "routed experts",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "use_bdlora": "block-diagonal LoRA",
    "megatron_config": "Megatron",
}
# Fields that do not affect what the finished adapter computes: its tensors say which modules it changes.
_HARMLESS = dict.fromkeys(
    ["task_type", "auto_mapping", "peft_version", "revision", "inference_mode", "lora_dropout", "miss_dropout", "mini_r",
     "corda_config", "eva_config", "loftq_config", "lora_ga_config", "velora_config",
     "megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying", "unsloth_version"])
_SAME_BASE = ("gaussian", "eva", "orthogonal", "mica")  # other named initialisations change the base model, too
_MAX_PATTERNS = 4096
_MAX_RANK = 1 << 20
_MOST_NOTES = 16
_MOST_UNKNOWN_BYTES = 1 << 20


def _kind(config: JsonFile) -> str:
    if config.at("peft_type") is None and not (config.at("lora_parameters") is None and config.at("fine_tune_type") is None):
        raise GgufError("this is an MLX adapter (lora_parameters, no peft_type), which is not supported; PEFT directories "
                        "are", config.path)
    kind = config.text("peft_type")
    if kind == "MISS":
        if isinstance(config.at("init_weights"), str):  # "bat" multiplies the weight itself, "mini" shares numbers
            raise GgufError(f"init_weights '{config.at('init_weights')[:40]}' is a variant of MiSS that is not supported; merge it "
                            "in PEFT (merge_and_unload) and use the model that makes", config.path)
        return "miss"
    if kind != "LORA":
        raise GgufError(f"peft_type '{kind[:40]}' is not supported, only LORA and MISS are", config.path)
    return "dora" if config.flag("use_dora", False) else "lora"


def _in_use(value: Any) -> bool:
    """true, a number but 0, a non-empty list or object, or another string than "none"."""
    return not (says_nothing(value) or value in ("none", 0))


def _refuse_variants(config: JsonFile) -> None:
    for key, why in (_REFUSED_FLAGS | _REFUSED).items():
        if config.flag(key, False) if key in _REFUSED_FLAGS else _in_use(config.at(key)):
            raise GgufError(f"{why} ({key}) is not supported, only LoRA, DoRA and MiSS on linears are; merge it in PEFT "
                            "(merge_and_unload) and use the model that makes", config.path)
    init = config.at("init_lora_weights")
    if isinstance(init, str) and init not in _SAME_BASE:
        raise GgufError(f"init_lora_weights '{init[:40]}' changes the base model; save the adapter converted to plain LoRA",
                        config.path)


def _is_rank(r: float) -> bool:
    return 1 <= r <= _MAX_RANK and r == math.floor(r)


def _token_list(config: JsonFile, key: str, value: Any) -> list[int]:
    if not isinstance(value, list):
        raise config.wrong(key, "must hold lists of tokens")
    if any(isinstance(token, bool) or not isinstance(token, int) or not 0 <= token <= MOST_TOKENS for token in value):
        raise config.wrong(key, "must hold tokens' numbers")
    return value


def _tokens(config: JsonFile) -> dict[str, list[int]]:
    """Of rows, by the ends of modules' names: a list is of the embedding."""
    key = "trainable_token_indices"
    value = config.at(key)
    if value is None or value == [] or value == {}:
        return {}
    lists = value if isinstance(value, dict) else {"embed_tokens": value}
    return {module: _token_list(config, key, lists[module]) for module in sorted(lists)}


def _invocation(config: JsonFile) -> list[int]:
    key = "alora_invocation_tokens"
    value = config.at(key)
    if value == []:
        raise config.wrong(key, "must be a list of tokens")
    return _token_list(config, key, value) if value is not None else []


class PeftConfig:
    def __init__(self, config: JsonFile) -> None:
        """raises  GgufError"""
        self.path = path = config.path
        self.kind = _kind(config)
        _refuse_variants(config)
        self._r, self._alpha, self._rslora = config.number("r"), 1.0, False
        self._r_patterns: list[tuple[re.Pattern[str], float]] = []
        self._alpha_patterns: list[tuple[re.Pattern[str], float]] = []
        self.base_name = config.text("base_model_name_or_path", "")
        try:
            if self.kind != "miss":  # which has one rank and no scale
                self._alpha, self._rslora = config.number("lora_alpha"), config.flag("use_rslora", False)
                self._r_patterns = self._patterns(config, "rank_pattern")
                self._alpha_patterns = self._patterns(config, "alpha_pattern")
            self.modules = PeftModules(config)
        except GgufError as e:
            raise e.of(path) from None
        if not (_is_rank(self._r) or self._r_patterns):
            raise config.wrong("r", f"must be a whole number from 1 to {_MAX_RANK}")
        self.tokens, self.invocation = _tokens(config), _invocation(config)
        self._keep_unknown(config.unread(_HARMLESS))

    @classmethod
    def open(cls, path: Path) -> PeftConfig:
        """raises  OSError, GgufError"""
        return cls(JsonFile.open(path))

    @staticmethod
    def _patterns(config: JsonFile, key: str) -> list[tuple[re.Pattern[str], float]]:
        part = config.part(key)
        if len(part.items()) > _MAX_PATTERNS:
            raise GgufError(f"'{key}' has {len(part.items())} patterns, {_MAX_PATTERNS} are possible")
        # PEFT matches a pattern against the end of the module's path, from a dot or the beginning on.
        return [(compile_pattern(rf"^(.*\.)?({pattern})$"), part.number(pattern)) for pattern in part.items()]

    def _keep_unknown(self, fields: dict[str, Any]) -> None:
        """PEFT passes over fields it does not know. One that switches something on is a method that came later."""
        for key, value in fields.items():
            if key.startswith("use_") and _in_use(value):
                raise GgufError(f"'{key[:60]}' is switched on ({json.dumps(value)[:60]}), which is not known here and may change what "
                                "is computed", self.path)
        self.unknown = json.dumps(fields, separators=(",", ":"), ensure_ascii=False) if fields else ""  # kept, not followed
        if len(self.unknown.encode("utf-8", "replace")) > _MOST_UNKNOWN_BYTES:
            raise GgufError(f"{len(self.unknown)} bytes of fields that are not known here, {_MOST_UNKNOWN_BYTES} are possible",
                            self.path)
        self._notes = [f"adapter_config.json: '{key[:60]}' ({json.dumps(value)[:60]}) is not known here: kept, not followed"
                       for key, value in list(fields.items())[:_MOST_NOTES]]
        if len(fields) > _MOST_NOTES:
            self._notes.append(f"adapter_config.json: and {len(fields) - _MOST_NOTES} more fields")

    def notes(self, modules: Iterable[str]) -> list[str]:
        """One line for each unknown field, and for names in target_modules that none of the modules answers to."""
        found = list(modules)
        return self._notes + [f"adapter_config.json: target_modules names '{name[:80]}', of which there are no tensors"
                              for name in self.modules.targets
                              if not any(m == name or m.endswith(f".{name}") for m in found)][:_MOST_NOTES]

    def tokens_of(self, module: str) -> list[int] | None:
        """Of which the file has rows, in its order; None: it says of none."""
        return next((ids for name, ids in self.tokens.items() if module == name or module.endswith(f".{name}")), None)

    def scaling(self, module: str) -> tuple[int, float]:
        """Rank and scale of a module by the name that PeftModules.target gives it."""
        r, alpha = (next((value for regex, value in patterns if regex.search(module)), otherwise)
                    for patterns, otherwise in ((self._r_patterns, self._r), (self._alpha_patterns, self._alpha)))
        if not _is_rank(r):
            raise GgufError(f"adapter_config.json says that the rank of '{module[:80]}' is {r:g}")
        if self.kind == "miss":
            return int(r), 1.0
        with np.errstate(over="ignore"):
            return int(r), float(np.float32(alpha / (math.sqrt(r) if self._rslora else r)))


def check_config(config: Mapping[str, Any]) -> None:
    """That what is to be written can be read, fields from elsewhere included.    raises  GgufError"""
    PeftConfig(JsonFile("adapter_config.json", config))
