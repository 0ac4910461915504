"""Which modules of a model adapter_config.json names. A tensor of a module that it does not name is none to PEFT."""
from __future__ import annotations

import re
from typing import Any

from ..errors import GgufError
from ..json_file import JsonFile
from .patterns import compile_pattern

_MOST_NAMES = 4096
_DEFAULT_TARGETS = ["q_proj", "v_proj"]  # PEFT's of a llama, where target_modules is null


def _names(config: JsonFile, key: str, one_too: bool = False) -> list[str]:
    value = config.at(key)
    if value is None or (one_too and isinstance(value, str)):
        return [] if value is None else [value]
    if not isinstance(value, list):
        raise config.wrong(key, "must be a list of names")
    if len(value) > _MOST_NAMES:
        raise GgufError(f"'{key}' has {len(value)} names, {_MOST_NAMES} are possible", config.path)
    if not all(isinstance(name, str) for name in value):
        raise config.wrong(key, "must hold names")
    return value


def _names_or_pattern(config: JsonFile, key: str) -> tuple[list[str], re.Pattern[str] | None]:
    """A list of names, or a regular expression of whole paths."""
    value = config.at(key)
    return ([], compile_pattern(rf"^(?:{value})$")) if isinstance(value, str) else (_names(config, key), None)


def _layers(config: JsonFile, key: str) -> list[int]:
    value: Any = config.at(key)
    layers = value if isinstance(value, list) else [] if value is None else [value]
    if any(isinstance(layer, bool) or not isinstance(layer, int) for layer in layers):
        raise config.wrong(key, "must hold numbers of layers")
    return layers


def _any_ends(path: str, names: list[str]) -> bool:
    return any(path == name or path.endswith(f".{name}") for name in names)


class PeftModules:
    def __init__(self, config: JsonFile) -> None:
        """raises  GgufError"""
        self._parameters = _names(config, "target_parameters")
        for name in self._parameters:
            if not name.endswith(".weight"):  # PEFT takes stacks of matrices too: experts
                raise GgufError("LoRA on bare parameters (target_parameters) is not supported but on weights of linears, such as "
                                "'q_proj.weight'; merge it in PEFT (merge_and_unload) and use the model that makes", config.path)
        self.targets: list[str] = []  # names in target_modules
        self._target_pattern: re.Pattern[str] | None = None
        self._all = config.at("target_modules") == "all-linear"
        self._defaults = _DEFAULT_TARGETS if config.at("target_modules") is None else []
        if not self._all:
            self.targets, self._target_pattern = _names_or_pattern(config, "target_modules")
        self._excluded, self._excluded_pattern = _names_or_pattern(config, "exclude_modules")
        self.saved = _names(config, "modules_to_save")
        self._layers, self._layers_patterns = _layers(config, "layers_to_transform"), _names(config, "layers_pattern", True)

    def saves(self, module: str) -> bool:
        """Whether modules_to_save names the module: it is trained whole."""
        return any(module.endswith(name) for name in self.saved)

    def _is_excluded(self, module: str) -> bool:
        """A module that is trained whole, or inside of one, takes no LoRA either."""
        if _any_ends(module, self._excluded) or any(f".{name}." in f".{module}." for name in self.saved):
            return True
        return self._excluded_pattern is not None and self._excluded_pattern.search(module) is not None

    def _in_layers(self, module: str) -> bool:
        """The first number in the path is the layer's; a module without one is in no layer."""
        if not self._layers:
            return True
        parts = module.split(".")
        for i, part in enumerate(parts[1:-1], start=1):
            if re.fullmatch(r"-?\d{1,18}", part, re.ASCII):
                before = ".".join(parts[:i])
                return (_any_ends(before, self._layers_patterns) if self._layers_patterns else i > 1) and int(part) in self._layers
        return False

    def _is_targeted(self, module: str) -> bool:
        if self._all:
            return self._in_layers(module)
        if self._target_pattern is not None:
            return self._target_pattern.search(module) is not None
        return module in self.targets or (_any_ends(module, self.targets + self._defaults) and self._in_layers(module))

    def target(self, module: str) -> str | None:
        """The name under which PEFT puts a LoRA on the module "model.layers.0.self_attn.q_proj", by which patterns of rank and
        alpha know it: its path, or that of its weight where target_parameters names it. None: PEFT puts none."""
        if self._is_excluded(module):
            return None
        if self._is_targeted(module):
            return module
        weight = f"{module}.weight"
        return weight if _any_ends(weight, self._parameters) else None
