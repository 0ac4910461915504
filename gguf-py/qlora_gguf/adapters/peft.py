"""Adapters of PEFT directories. PEFT's A (r, in) and B (out, r) have our layout; but rows of B belong to rows of the
weight, so for q and k of llama-type models they change order as the weight's did. What ql-adapter writes has the same bytes."""
from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from .. import llama, safetensors
from ..errors import GgufError
from ..files import Path, read_small, write_whole
from ..json_file import JsonFile
from . import origin
from .base import Base
from .lora import Adapter, LoraMatrix, check_adapter, check_fits, sort_as_base
from .peft_config import PeftConfig

_PREFIX, _SUFFIX_A, _SUFFIX_B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MAX_TEMPLATE = 1 << 20


def chat_template(directory: str) -> str:
    """Of a Hugging Face directory, "" if it has none."""
    file, config_file = os.path.join(directory, "chat_template.jinja"), os.path.join(directory, "tokenizer_config.json")
    if os.path.exists(file):
        return read_small(file, _MAX_TEMPLATE).decode("utf-8", "surrogateescape")
    if not os.path.exists(config_file):
        return ""
    config = JsonFile.open(config_file)
    templates = config.at("chat_template")
    if not isinstance(templates, list):
        return config.text("chat_template", "")
    return next((row["template"] for row in reversed(templates) if isinstance(row, dict) and row.get("name") == "default"
                 and isinstance(row.get("template"), str)), "")


# ---- reading


def _check_folder(directory: str) -> None:
    """PEFT puts every adapter but "default" into a folder of its name; old PEFT wrote a Python pickle."""
    if not os.path.exists(os.path.join(directory, _CONFIG)):
        named = sorted(e.path for e in os.scandir(directory) if os.path.exists(os.path.join(e.path, _CONFIG)))
        where = f": it holds an adapter in a folder of its own, {named[0]}" if named else ""
        raise GgufError(f"{_CONFIG} is missing{where}", directory)
    pickle = os.path.join(directory, "adapter_model.bin")
    if not os.path.exists(os.path.join(directory, _WEIGHTS)) and os.path.exists(pickle):
        raise GgufError("a pickle can run programs and is not read; save the adapter as safetensors", pickle)


def _copied_weight(base: Base, tensor: str) -> str | None:
    """The weight that a tensor is a copy of: PEFT writes embedding and head beside an adapter that changes the head."""
    for name in (llama.EMBEDDING, llama.HEAD):
        module = _PREFIX + str(llama.hf_name(name)).removesuffix(".weight")
        if tensor in (f"{module}.weight", f"{module}.base_layer.weight"):
            return llama.EMBEDDING if name == llama.HEAD and base.tied else name
    return None


def _check_copy(base: Base, weight: str, file: safetensors.SafeTensors, tensor: str) -> None:
    """There is nothing to load from a copy; one that differs belongs to another base, or was trained."""
    ours, theirs = base.weight(weight), file.weights(tensor)
    if ours is None or ours.shape != theirs.shape:
        raise GgufError(f"tensor '{tensor[:120]}' is {list(theirs.shape)}, but '{weight}' of the model '{base.name}' is not; "
                        "was its vocabulary resized?")
    error, norm = (float(np.sum(np.square(x, dtype=np.float64))) for x in (ours - theirs, ours))
    limit = 0.01 if base.is_wide(weight) else 0.2  # of rounding to 16 bits, and to four
    if not error <= limit * limit * norm:
        raise GgufError(f"tensor '{tensor[:120]}' differs from '{weight}' of the model '{base.name}': another base, or "
                        "trained itself")


def _modules(file: safetensors.SafeTensors, base: Base) -> dict[str, dict[str, str]]:
    """Names of tensors by the module that they change, "model.layers.0.self_attn.q_proj"."""
    found: dict[str, dict[str, str]] = {}
    for name, t in file.tensors.items():
        copied = _copied_weight(base, name)
        if copied is not None:
            _check_copy(base, copied, file, name)
            continue
        if name.endswith(".lora_velora_embed"):  # of VeLoRA's backward pass
            continue
        suffix = name[-len(_SUFFIX_A):]
        if suffix not in (_SUFFIX_A, _SUFFIX_B) or not name.startswith(_PREFIX) or len(name) <= len(_PREFIX + suffix):
            hint = " (LoRA on an embedding is not supported)" if "lora_embedding" in name else ""
            hint = " (DoRA is not supported)" if "lora_magnitude_vector" in name else hint
            raise GgufError(f"tensor '{name[:120]}' is no lora_A or lora_B of a linear layer{hint}")
        if len(t.shape) != 2 or 0 in t.shape:
            raise GgufError(f"tensor '{name[:120]}' has the shape {list(t.shape)}, two dimensions are needed")
        found.setdefault(name[len(_PREFIX):-len(suffix)], {})[suffix] = name
    return found


def _read_matrix(module: str, names: dict[str, str], file: safetensors.SafeTensors, config: PeftConfig,
                 base: Base) -> LoraMatrix:
    if len(names) != 2:
        raise GgufError(f"module '{module[:120]}' has only one of lora_A and lora_B")
    weight = llama.gguf_name(f"{module}.weight")
    if weight is None:
        raise GgufError(f"module '{module[:120]}' is none that the model '{base.name}' has")
    (rank_a, columns), (rows, rank_b) = (file.tensors[names[half]].shape for half in (_SUFFIX_A, _SUFFIX_B))
    check_fits(base, weight, (rows, columns), names[_SUFFIX_A])
    if not config.targets(module):
        raise GgufError(f"module '{module[:120]}' has LoRA matrices, but target_modules of {_CONFIG} does not name it, so PEFT "
                        "would leave them out; name it there, or take its tensors out")
    r, scale = config.scaling(module)
    if not rank_a == rank_b == r:
        raise GgufError(f"module '{module[:120]}': lora_A has rank {rank_a}, lora_B {rank_b}, {_CONFIG} says {r}")
    a, b = file.weights(names[_SUFFIX_A]), file.weights(names[_SUFFIX_B])
    return LoraMatrix(weight, a, llama.rows_to_gguf(b, base.head_dim) if llama.is_permuted(weight) else b, scale)


def read_peft(directory: Path, base: Base) -> Adapter:
    """raises  OSError, GgufError"""
    folder = os.fspath(directory)
    _check_folder(folder)
    config = PeftConfig(os.path.join(folder, _CONFIG))
    path = os.path.join(folder, _WEIGHTS)
    adapter = Adapter(base.architecture, base_name=config.base_name, chat_template=chat_template(folder))
    with safetensors.SafeTensors(path) as file:
        try:
            words = {key: text for key, text in file.metadata.items() if isinstance(text, str)}
            adapter.name = words.get(origin.NAME, "")
            adapter.base_name = words.get(origin.BASE_NAME, adapter.base_name)
            adapter.chat_date = words.get(origin.CHAT_DATE, "")
            adapter.origin = origin.from_texts(words)
            for module, names in _modules(file, base).items():
                adapter.matrices.append(_read_matrix(module, names, file, config, base))
            check_adapter(adapter, base)
        except GgufError as e:
            raise e if e.path is not None else GgufError(e.what, path) from None
    sort_as_base(adapter, base)
    return adapter


# ---- writing


def _module_of(weight: str) -> str:
    name = llama.hf_name(weight)
    if name is None:
        raise GgufError(f"'{weight}' has no Hugging Face name")
    return name.removesuffix(".weight")


def _number(value: float) -> int | float:
    """16 rather than 16.0 where it is whole, as PEFT writes it."""
    return int(value) if value == np.floor(value) and abs(value) < 1e15 else value


def _target_modules(adapter: Adapter, base: Base) -> list[str]:
    """ "q_proj" where every layer has it, else the full paths."""
    by_kind: dict[str, set[str]] = {}
    for m in adapter.matrices:
        module = _module_of(m.weight)
        by_kind.setdefault(module.rsplit(".", 1)[-1], set()).add(module)
    targets: list[str] = []
    for kind, modules in sorted(by_kind.items()):
        targets += [kind] if len(modules) == base.n_layer else sorted(modules)
    return targets


def _config_text(adapter: Adapter, base: Base) -> bytes:
    """r and lora_alpha are the first branch's; branches that differ are named, so every scale comes back exactly."""
    first = adapter.matrices[0]
    ranks = {_module_of(m.weight): m.r for m in adapter.matrices if m.r != first.r}
    alphas = {_module_of(m.weight): _number(m.alpha) for m in adapter.matrices if m.alpha != first.alpha}
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": adapter.base_name or base.name,
        "r": first.r,
        "lora_alpha": _number(first.alpha),
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "target_modules": _target_modules(adapter, base),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        "inference_mode": True,
    }
    unknown = json.loads(str(adapter.origin.get(origin.PEFT_FIELDS, "{}")))
    config |= {key: value for key, value in unknown.items() if key not in config}
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def write_peft(adapter: Adapter, base: Base, directory: Path) -> None:
    """raises  OSError; GgufError: an adapter that is not sound, or does not fit the base"""
    check_adapter(adapter, base)
    config, folder = _config_text(adapter, base), os.fspath(directory)
    tensors = {}
    for m in adapter.matrices:
        b = llama.rows_to_hf(m.b, base.head_dim) if llama.is_permuted(m.weight) else m.b
        tensors[_PREFIX + _module_of(m.weight) + _SUFFIX_A] = m.a
        tensors[_PREFIX + _module_of(m.weight) + _SUFFIX_B] = b
    os.makedirs(folder, exist_ok=True)
    words = origin.to_texts(adapter.origin) | {origin.BASE_NAME: adapter.base_name}
    if adapter.name:
        words[origin.NAME] = adapter.name
    if adapter.chat_date:
        words[origin.CHAT_DATE] = adapter.chat_date
    safetensors.write(os.path.join(folder, _WEIGHTS), tensors, words)
    if adapter.chat_template:
        write_whole(os.path.join(folder, "chat_template.jinja"), adapter.chat_template.encode("utf-8", "surrogateescape"))
    write_whole(os.path.join(folder, _CONFIG), config)  # last: with it the directory counts as an adapter
