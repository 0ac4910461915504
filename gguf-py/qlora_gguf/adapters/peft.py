"""Adapters of PEFT directories, both ways. What ql-adapter writes has the same bytes."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

from .. import llama, safetensors
from ..errors import GgufError
from ..gguf.format import to_bytes
from ..files import Path, flush_to_disk, read_small, whole_file
from ..json_file import JsonFile
from . import origin
from .base import Base
from .lora import Adapter, check_adapter, check_base, check_kwargs, sort_as_base
from .peft_config import PeftConfig, check_config
from .peft_tensors import BLOCK, MAGNITUDE, PREFIX, ROWS, WEIGHT, A, B, read_branch, sort_tensors
from .values import F32

_CONFIG, _WEIGHTS, _TEMPLATE = "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"
_TOKENIZER = "tokenizer_config.json"
_MAX_TEMPLATE = 1 << 20


def chat_template(directory: str) -> str:
    """Of a Hugging Face directory, "" if it has none."""
    file = os.path.join(directory, _TEMPLATE)
    if os.path.exists(file):
        return read_small(file, _MAX_TEMPLATE).decode("utf-8", "surrogateescape")
    return _template_of_tokenizer(directory)


def _template_of_tokenizer(directory: str) -> str:
    config_file = os.path.join(directory, _TOKENIZER)
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


def read_peft(directory: Path, base: Base, *, any_base: bool = False) -> Adapter:
    """any_base: though it says that it was trained on another.    raises  OSError, GgufError"""
    folder = os.fspath(directory)
    _check_folder(folder)
    config = PeftConfig.open(os.path.join(folder, _CONFIG))
    path = os.path.join(folder, _WEIGHTS)
    adapter = Adapter(base.architecture, base_name=config.base_name, chat_template=chat_template(folder), kind=config.kind)
    with safetensors.SafeTensors(path) as file:
        try:
            words = {key: text for key, text in file.metadata.items() if isinstance(text, str)}
            adapter.name = words.get(origin.NAME, "")
            adapter.base_name = words.get(origin.BASE_NAME, adapter.base_name)
            adapter.chat_date = words.get(origin.CHAT_DATE, "")
            adapter.chat_kwargs = check_kwargs(origin.CHAT_KWARGS, words.get(origin.CHAT_KWARGS, ""))
            adapter.origin = origin.from_texts(words)
            if config.unknown:
                adapter.origin[origin.PEFT_FIELDS] = config.unknown
            adapter.invocation = config.invocation
            check_base(adapter, base, any_base)  # before shapes: it says why they differ
            tensors = sort_tensors(file, config, base)
            adapter.norms, adapter.rows = tensors.norms, tensors.rows
            adapter.notes += config.notes(tensors.linears)
            for module, parts in tensors.linears.items():
                adapter.matrices.append(read_branch(module, parts, file, config, base))
                if WEIGHT in parts:
                    adapter.notes.append(f"'{module[:80]}' was trained whole: held as what it adds to the base's, a LoRA of rank "
                                         f"{adapter.matrices[-1].r}")
            check_adapter(adapter, base, any_base)
        except GgufError as e:
            raise e.of(path) from None
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


def _lora_config(adapter: Adapter) -> dict[str, Any]:
    """r and lora_alpha are the first branch's; branches that differ are named, so every scale comes back exactly."""
    first = adapter.matrices[0]
    ranks = {_module_of(m.weight): m.r for m in adapter.matrices if m.r != first.r}
    alphas = {_module_of(m.weight): _number(m.alpha) for m in adapter.matrices if m.alpha != first.alpha}
    return {"r": first.r, "lora_alpha": _number(first.alpha), "rank_pattern": ranks, "alpha_pattern": alphas}


def _check_one_rank(adapter: Adapter) -> None:
    first = adapter.matrices[0]
    other = next((m for m in adapter.matrices if m.r != first.r), None)
    if other is not None:
        raise GgufError(f"'{first.weight}' has rank {first.r}, '{other.weight}' {other.r}: PEFT's MissConfig has one rank for all; "
                        "'ql-adapter resize --rank R', R the largest, makes a plain LoRA of it")


def _token_fields(adapter: Adapter) -> dict[str, Any]:
    """Fields of LoRA alone. Tokens are a list where they are the embedding's alone, which PEFT ties to the head if the model
    does, else a list for each module."""
    fields: dict[str, Any] = {}
    if adapter.rows:
        if adapter.kind == "miss":
            raise GgufError("rows of tokens beside a MiSS: PEFT's MissConfig has no trainable_token_indices")
        lists = {_module_of(rows.weight).rsplit(".", 1)[-1]: rows.ids.tolist() for rows in adapter.rows}
        alone = len(adapter.rows) == 1 and adapter.rows[0].weight == llama.EMBEDDING
        fields["trainable_token_indices"] = lists["embed_tokens"] if alone else lists
    if adapter.invocation:
        fields["alora_invocation_tokens"] = [int(token) for token in adapter.invocation]
    return fields


def _config_text(adapter: Adapter, base: Base) -> bytes:
    is_miss, targets = adapter.kind == "miss", _target_modules(adapter, base)
    saved = [_module_of(weight) for weight in adapter.norms] or None  # full paths: an end may be that of others, too
    config: dict[str, Any] = {
        "peft_type": "MISS" if is_miss else "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": adapter.base_name or base.name,
    }
    if is_miss:
        _check_one_rank(adapter)
        config |= {"r": adapter.matrices[0].r, "mini_r": 1, "target_modules": targets, "miss_dropout": 0.0, "bias": "none",
                   "init_weights": True}
    else:
        config |= _lora_config(adapter)
        config |= {"target_modules": targets, "lora_dropout": 0.0, "bias": "none", "use_rslora": False,
                   "use_dora": adapter.kind == "dora", "fan_in_fan_out": False, "init_lora_weights": True}
    config |= {"modules_to_save": saved, "inference_mode": True, **_token_fields(adapter)}
    unknown = json.loads(str(adapter.origin.get(origin.PEFT_FIELDS, "{}")))
    config |= {key: value for key, value in unknown.items() if key not in config}
    check_config(config)
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    return to_bytes(text).decode("utf-8", "replace").encode()


def _tensors(adapter: Adapter, base: Base) -> dict[str, F32]:
    def in_hf_order(values: F32, weight: str) -> F32:
        return llama.rows_to_hf(values, base.head_dim) if llama.is_permuted(weight) else values

    tensors: dict[str, F32] = {}
    for m in adapter.matrices:
        stem, b = PREFIX + _module_of(m.weight), in_hf_order(m.b, m.weight)
        if adapter.kind == "miss":
            tensors[stem + BLOCK] = np.ascontiguousarray(b.T)
            continue
        tensors[stem + A], tensors[stem + B] = m.a, b
        if m.magnitude is not None:
            tensors[stem + MAGNITUDE] = in_hf_order(m.magnitude, m.weight)
    for weight, values in adapter.norms.items():
        tensors[PREFIX + _module_of(weight) + WEIGHT] = values
    for rows in adapter.rows:
        tensors[PREFIX + _module_of(rows.weight) + ROWS] = rows.values
    return tensors


def write_peft(adapter: Adapter, base: Base, directory: Path, *, any_base: bool = False) -> None:
    """any_base: as in read_peft.    raises  OSError; GgufError: an adapter that is not sound, or does not fit the base"""
    check_adapter(adapter, base, any_base)
    config, folder = _config_text(adapter, base), os.fspath(directory)
    tensors = _tensors(adapter, base)
    words = origin.to_texts(adapter.origin) | {origin.BASE_NAME: adapter.base_name}
    if adapter.name:
        words[origin.NAME] = adapter.name
    if adapter.chat_date:
        words[origin.CHAT_DATE] = adapter.chat_date
    if adapter.chat_kwargs:
        words[origin.CHAT_KWARGS] = check_kwargs(origin.CHAT_KWARGS, adapter.chat_kwargs)
    with _new_folders(folder):
        os.makedirs(folder, exist_ok=True)
        if not adapter.chat_template:
            _refuse_another_template(folder)
        _write_files(folder, config, to_bytes(adapter.chat_template), tensors, words)


@contextmanager
def _new_folders(folder: str) -> Iterator[None]:
    """Of a path: those that are not there yet go again where nothing is written into them."""
    new, path = list[str](), os.path.abspath(folder)
    while not os.path.lexists(path):
        new.append(path)
        path = os.path.dirname(path)
    try:
        yield
    except BaseException:
        for path in new:
            with suppress(OSError):
                os.rmdir(path)
        raise


def _refuse_another_template(folder: str) -> None:
    if _template_of_tokenizer(folder):
        raise GgufError(f"{_TOKENIZER} is there and has a chat template, which an adapter without one would be read with; write "
                        "it elsewhere, or take the file out", folder)


def _write_files(folder: str, config: bytes, template: bytes, tensors: dict[str, F32], words: dict[str, str]) -> None:
    """Over what is there: first all new bytes reach the disk under other names. Then the old config goes, and until the new one
    has its name the directory counts as no adapter: at no time is it half of the old one, half of the new. Files that are no
    adapter's stay."""
    config_path, template_path = os.path.join(folder, _CONFIG), os.path.join(folder, _TEMPLATE)
    with ExitStack() as stack:  # files get their names in the reverse order: the config last
        files = [stack.enter_context(whole_file(config_path))]
        files[0].write(config)
        if template:
            files.append(stack.enter_context(whole_file(template_path)))
            files[-1].write(template)
        files.append(stack.enter_context(whole_file(os.path.join(folder, _WEIGHTS))))
        safetensors.write_to(files[-1], tensors, words)
        for file in files:
            flush_to_disk(file)
        with suppress(FileNotFoundError):
            os.unlink(os.path.realpath(config_path))
        if not template:
            with suppress(FileNotFoundError):
                os.unlink(template_path)
