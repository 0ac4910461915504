"""Adapters between PEFT and GGUF: the bytes that ql-adapter writes, what is refused, and both ways round."""
from __future__ import annotations

import json

import numpy as np
import pytest
from adapter_files import LINEARS, LLAMA, Q0, trained, with_ranks, write_peft
from hypothesis import given
from hypothesis import strategies as st
from qlora_gguf import GgufError, adapters, gguf, llama, safetensors
from qlora_gguf.adapters import lora
from qlora_gguf.adapters.patterns import compile_pattern
from qlora_gguf.adapters.peft_config import PeftConfig
from support import ROOT


@pytest.fixture(scope="module")
def base():
    return adapters.Base.open(LLAMA)


def embedding() -> dict[str, np.ndarray]:
    with safetensors.SafeTensors(LLAMA / "model.safetensors") as file:
        return {"base_model.model.model.embed_tokens.weight": file.weights("model.embed_tokens.weight")}


VARIANTS = {
    "plain": {},
    "rslora": {"use_rslora": True, "lora_alpha": 3.3},
    "f16": {"dtype": "F16"},
    "bf16": {"dtype": "BF16"},
    "ranks": {"tensors": lambda: with_ranks({"k_proj": 2, "1.mlp.up_proj": 7}), "rank_pattern": {"k_proj": 2, "1.mlp.up_proj": 7}},
    "alphas": {"alpha_pattern": {"v_proj": 1.7, r"layers\.[12]\.mlp\..*": 16, "model.layers.1.mlp.up_proj": 5}},
    "both patterns": {"tensors": lambda: with_ranks({"o_proj": 9}), "rank_pattern": {"o_proj": 9},
                      "alpha_pattern": {"(q|o)_proj": 11}, "use_rslora": True},
    "patterns of whole names": {"alpha_pattern": {"proj": 99, "self_attn.q_pro": 98, "attn.q_proj": 97, "self_attn.q_proj": 12}},
    "zero alpha": {"alpha_pattern": {"q_proj": 0}},
    "some modules": {"tensors": lambda: {n: t for n, t in trained().items() if "layers.1" in n or "v_proj" in n},
                     "target_modules": ["v_proj", "model.layers.1.self_attn.q_proj", "k_proj", "o_proj", "gate_proj", "up_proj",
                                        "down_proj"]},
    "regex target": {"target_modules": r".*\.(mlp|self_attn)\.\w+_proj"},
    "a copy of the embedding": {"tensors": lambda: {**embedding(), **trained()}},
    "fields that are not known": {"new_thing": {"x": [1, 2.5, "ü"]}, "another": "text", "says_nothing": None},
    "other modules left out": {"tensors": lambda: {n: t for n, t in trained().items() if "layers.1" not in n and "up_proj" not in n},
                               "exclude_modules": ["up_proj"], "layers_to_transform": [0, 2], "layers_pattern": ["h", "layers"],
                               "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]},
    "harmless fields": {"lora_dropout": 0.1, "task_type": "CAUSAL_LM", "peft_version": "0.21.2", "eva_config": {"rho": 2}},
}


SAVED = ["peft-dora", "peft-miss", "peft-whole", "peft-parameters", "patterns", "tokens", "alora"]  # by PEFT: tests/golden/lora


def peft_of(folder, variant):
    if variant in SAVED:
        return ROOT / "tests/golden/lora" / variant
    options = dict(VARIANTS[variant])
    tensors = options.pop("tensors", trained)()
    return write_peft(folder, tensors, options.pop("dtype", "F32"), **options)


@pytest.mark.parametrize("variant", [*VARIANTS, *SAVED])
def test_both_ways_give_the_bytes_of_ql_adapter(program, base, tmp_path, variant):
    peft = peft_of(tmp_path / "peft", variant)
    if variant == "plain":
        (peft / "chat_template.jinja").write_text("{{ messages }} ü")
    program("ql-adapter", "from-peft", "-m", LLAMA, peft, "-o", tmp_path / "theirs.gguf")
    adapters.write_gguf(adapters.read_peft(peft, base), tmp_path / "ours.gguf", base)
    assert (tmp_path / "ours.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()

    program("ql-adapter", "to-peft", "-m", LLAMA, tmp_path / "theirs.gguf", "-o", tmp_path / "theirs")
    adapters.write_peft(adapters.read_gguf(tmp_path / "theirs.gguf", base), base, tmp_path / "ours")
    files = sorted(p.name for p in (tmp_path / "theirs").iterdir())
    assert sorted(p.name for p in (tmp_path / "ours").iterdir()) == files and "adapter_config.json" in files
    for name in files:
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes(), name
    adapters.write_gguf(adapters.read_peft(tmp_path / "ours", base), tmp_path / "again.gguf", base)
    assert (tmp_path / "again.gguf").read_bytes() == (tmp_path / "ours.gguf").read_bytes()


def test_rows_of_a_head_of_its_own_come_with_the_bytes_of_ql_adapter(program, tmp_path):
    llama3, peft = ROOT / "tests/golden/arch/llama3_rope", ROOT / "tests/golden/lora/tokens_untied"
    program("ql-adapter", "from-peft", "-m", llama3, peft, "-o", tmp_path / "theirs.gguf")
    program("ql-adapter", "to-peft", "-m", llama3, tmp_path / "theirs.gguf", "-o", tmp_path / "theirs")
    untied = adapters.Base.open(llama3)
    adapters.write_gguf(adapters.read_peft(peft, untied), tmp_path / "ours.gguf", untied)
    adapters.write_peft(adapters.read_gguf(tmp_path / "ours.gguf", untied), untied, tmp_path / "ours")
    assert [rows.weight for rows in adapters.read_peft(tmp_path / "ours", untied).rows] == ["token_embd.weight", "output.weight"]
    for name in (".gguf", "/adapter_config.json", "/adapter_model.safetensors"):
        assert (tmp_path / f"ours{name}").read_bytes() == (tmp_path / f"theirs{name}").read_bytes()


def test_names_of_any_bytes_come_with_the_bytes_of_ql_adapter(program, base, tmp_path):
    named = adapters.read_peft(write_peft(tmp_path / "peft"), base)
    named.name = b"a\xffb".decode("utf-8", "surrogateescape")
    adapters.write_gguf(named, tmp_path / "a.gguf", base)
    program("ql-adapter", "to-peft", "-m", LLAMA, tmp_path / "a.gguf", "-o", tmp_path / "theirs")
    adapters.write_peft(adapters.read_gguf(tmp_path / "a.gguf", base), base, tmp_path / "ours")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


def test_rows_come_in_the_order_of_their_tokens(base, tmp_path):
    rows = np.arange(3 * 64, dtype=np.float32).reshape(3, 64)
    peft = write_peft(tmp_path / "peft", {**trained(), ROWS: rows}, trainable_token_indices=[9, 2, 5])
    read = adapters.read_peft(peft, base).rows[0]
    assert read.ids.tolist() == [2, 5, 9] and np.array_equal(read.values, rows[[1, 2, 0]])


def test_a_gguf_base_says_the_same_as_a_directory(program, base, model, tmp_path):
    of_file = adapters.Base.open(model)
    assert (of_file.name, of_file.head_dim, of_file.n_layer, of_file.tied) == ("Smollm2 135M 8k Lc100K Mix1 Ep2", 64, 30, True)
    rng = np.random.default_rng(1)
    adapter = adapters.Adapter("llama", "mine", "some base")
    for weight, (rows, columns) in list(of_file.shapes.items())[:14]:
        a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, columns), (rows, 3)))
        adapter.matrices.append(adapters.LoraMatrix(weight, a, b, 2.0))
    adapters.write_gguf(adapter, tmp_path / "a.gguf", of_file)
    program("ql-adapter", "to-peft", "-m", model, tmp_path / "a.gguf", "-o", tmp_path / "theirs")
    adapters.write_peft(adapters.read_gguf(tmp_path / "a.gguf", of_file), of_file, tmp_path / "ours")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_change_of_each_weight_comes_back(base, tmp_path, variant):
    """s B A of PEFT's own matrices, rows in Hugging Face's order, against that of the GGUF file."""
    peft = peft_of(tmp_path / "peft", variant)
    config = PeftConfig.open(peft / "adapter_config.json")
    adapters.write_gguf(adapters.read_peft(peft, base), tmp_path / "a.gguf", base)
    read = {m.weight: m for m in adapters.read_gguf(tmp_path / "a.gguf", base).matrices}
    with safetensors.SafeTensors(peft / "adapter_model.safetensors") as file:
        modules = {name.split(".lora_")[0] for name in file.tensors if ".lora_" in name}
        assert len(read) == len(modules)
        for module in modules:
            a, b = (file.weights(f"{module}.lora_{half}.weight").astype(np.float64) for half in "AB")
            inner = module.removeprefix("base_model.model.")
            m = read[llama.gguf_name(f"{inner}.weight")]
            ours = m.scale * m.b.astype(np.float64) @ m.a
            if llama.is_permuted(m.weight):
                ours = llama.rows_to_hf(ours, base.head_dim)
            theirs = config.scaling(str(config.modules.target(inner)))[1] * b @ a
            assert np.abs(ours - theirs).max() <= 1e-6 * np.abs(theirs).max()


def test_rows_are_permuted_as_the_format_says():
    rows = np.arange(32, dtype=np.float32)[:, None]  # 2 heads of 16
    gguf_rows = llama.rows_to_gguf(rows, 16)
    for head in range(2):
        for h in range(2):
            for j in range(8):
                assert gguf_rows[head * 16 + 2 * j + h, 0] == head * 16 + h * 8 + j
    assert np.array_equal(llama.rows_to_hf(gguf_rows, 16), rows)
    assert llama.is_permuted("blk.11.attn_k.bias") and not llama.is_permuted("blk.0.attn_v.weight")


ROWS = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
MAGNITUDE0 = f"base_model.model.{Q0}.lora_magnitude_vector"
A0, B0 = f"base_model.model.{Q0}.lora_A.weight", f"base_model.model.{Q0}.lora_B.weight"


def without(*names):
    return lambda: {n: t for n, t in trained().items() if n not in names}


def changed(**new):
    return lambda: {**trained(), **{{"A0": A0, "B0": B0}[n]: np.asarray(t, dtype=np.float32) for n, t in new.items()}}


def renamed(old, new):
    return lambda: {n.replace(old, new): t for n, t in trained().items()}


BAD_PEFT = {
    "has only one of lora_A and lora_B": {"tensors": without(B0)},
    "lora_A has rank 3, lora_B 4, adapter_config.json says 4": {"tensors": changed(A0=np.ones((3, 64)))},
    "adapter_config.json says 8": {"r": 8},
    "adapter_config.json: 'r' must be a whole number from 1 to 1048576, got 0": {"r": 0},
    "'r' must be a whole number from 1 to 1048576, got 2.5": {"r": 2.5},
    "adapter_config.json says that the rank of '.*' is 0": {"r": 0, "rank_pattern": {"q_proj": 4}},
    r"is for a weight \[64, 63\], but 'blk.0.attn_q.weight'": {"tensors": changed(A0=np.ones((4, 63)))},
    "two dimensions are needed": {"tensors": changed(A0=np.ones(4))},
    r"lora_A.weight' has the shape \[0, 64\], its rank is 0": {"tensors": changed(A0=np.ones((0, 64)), B0=np.ones((64, 0)))},
    r"lora_A.weight' has the shape \[4, 0\], it holds nothing": {"tensors": changed(A0=np.ones((4, 0)))},
    "holds nan at element 7": {"tensors": changed(A0=[[0] * 7 + [np.nan] + [0] * 56] + [[0] * 64] * 3)},
    "is none that the model 'llama' has": {"tensors": renamed("self_attn", "attention")},
    "is no linear of the model": {"tensors": renamed("layers.2", "layers.3")},
    "has a lora_magnitude_vector, but use_dora is not true": {"tensors": lambda: {**trained(), MAGNITUDE0: np.ones(64, np.float32)}},
    "is there under two names": {"tensors": lambda: {**trained(), MAGNITUDE0: np.ones(64, np.float32),
                                                     f"{MAGNITUDE0}.weight": np.ones(64, np.float32)}},
    "one dimension is needed": {"tensors": lambda: {**trained(), MAGNITUDE0: np.ones((1, 64), np.float32)}},
    "has 63 values, but 'blk.0.attn_q.weight' has 64 rows": {"use_dora": True, "tensors": lambda: {
        A0: trained()[A0], B0: trained()[B0], MAGNITUDE0: np.ones(63, np.float32)}},
    "is a whole weight, but modules_to_save of adapter_config.json does not name": {"tensors": lambda: {
        **without(A0, B0)(), f"base_model.model.{Q0}.weight": np.ones((64, 64), np.float32)}},
    "an embedding that was trained whole": {"modules_to_save": ["lm_head"], "tensors": lambda: {
        **trained(), "base_model.model.lm_head.weight": np.ones((160, 64), np.float32)}},
    r"is \[63\], but 'blk.0.attn_norm.weight' of the model 'llama' has 64": {"tensors": lambda: {
        **trained(), "base_model.model.model.layers.0.input_layernorm.weight": np.ones(63, np.float32)}},
    "has a miss_block, but peft_type is LORA": {"tensors": lambda: {**trained(), f"base_model.model.{Q0}.miss_block":
                                                                    np.ones((2, 64), np.float32)}},
    "has LoRA matrices, but peft_type is MISS": {"peft_type": "MISS"},
    "init_weights 'bat' is a variant of MiSS": {"peft_type": "MISS", "init_weights": "bat"},
    "other fields leave it out": {"exclude_modules": ["v_proj"]},
    "but target_modules of .* leave it out": {"layers_to_transform": [0, 1]},
    "'layers_to_transform' must hold numbers of layers": {"layers_to_transform": "0"},
    "'modules_to_save' must be a list of names": {"modules_to_save": "lm_head"},
    r"LoRA on bare parameters \(target_parameters\)": {"target_parameters": ["mlp.experts.down_proj"]},
    r"'use_new' is switched on \(true\)": {"use_new": True},
    r"'use_new' is switched on \(1\)": {"use_new": 1},
    r"'use_new' is switched on \(\"yes\"\)": {"use_new": "yes"},
    "'use_qalora' must be true or false, got 1": {"use_qalora": 1},
    "'lora_bias' must be true or false, got \"none\"": {"lora_bias": "none"},
    r"block-diagonal LoRA \(use_bdlora\)": {"use_bdlora": 1},
    "LoRA on an embedding": {"tensors": lambda: {**trained(), "base_model.model.model.embed_tokens.lora_embedding_A":
                                                 np.ones((2, 2), np.float32)}},
    "differs from 'token_embd.weight'": {"tensors": lambda: {**trained(), **{n: -t for n, t in embedding().items()}}},
    "was its vocabulary resized": {"tensors": lambda: {**trained(), **{n: t[1:] for n, t in embedding().items()}}},
    "the adapter holds no matrices": {"tensors": dict},
    "has no lora_magnitude_vector, but use_dora is true": {"use_dora": True},
    "trained biases": {"bias": "all"},
    "trainable_token_indices has tokens of 1 modules, the tensors are of 0": {"trainable_token_indices": [1]},
    "trainable_token_indices has no tokens of this module": {"tensors": lambda: {**trained(), ROWS: np.ones((2, 64), np.float32)}},
    r"has the shape \[2, 64\], trainable_token_indices has 1 tokens": {
        "trainable_token_indices": [1], "tensors": lambda: {**trained(), ROWS: np.ones((2, 64), np.float32)}},
    "names token 7 twice": {"trainable_token_indices": [7, 7], "tensors": lambda: {**trained(), ROWS: np.ones((2, 64), np.float32)}},
    "token 160; 0 to 159 are possible": {"trainable_token_indices": [1, 160],
                                         "tensors": lambda: {**trained(), ROWS: np.ones((2, 64), np.float32)}},
    "'trainable_token_indices' must hold tokens' numbers": {"trainable_token_indices": [True]},
    "'trainable_token_indices' must hold lists of tokens": {"trainable_token_indices": {"embed_tokens": 3}},
    "'alora_invocation_tokens' must be a list of tokens": {"alora_invocation_tokens": []},
    "an invocation with token 160; 0 to 159 are possible": {"alora_invocation_tokens": [1, 160]},
    "modules_to_save of adapter_config.json names 'lm_head', of which there are no": {"modules_to_save": ["lm_head"]},
    "init_lora_weights 'pissa' changes the base": {"init_lora_weights": "pissa"},
    "only LORA and MISS are": {"peft_type": "IA3"},
    "an MLX adapter": {"peft_type": None, "lora_parameters": {"rank": 8}},
    "'r' must be a number": {"r": "4"},
    "'lora_alpha' must be a number, got null": {"lora_alpha": None},
    "'use_rslora' must be true or false": {"use_rslora": 1},
    "'rank_pattern' must be an object": {"rank_pattern": [1]},
    "'q_proj' must be a number": {"alpha_pattern": {"q_proj": "8"}},
    r"the expression '.*\(q_proj\)\$'": {"alpha_pattern": {"(q_proj": 8}},
    "repeats what repeats": {"alpha_pattern": {"(a+)+": 8}},
    "'target_modules' must hold names": {"target_modules": [3]},
    "target_modules of adapter_config.json does not name it": {"target_modules": ["v_proj"]},
    "but target_modules of adapter_config.json does not name it": {"target_modules": None},
    "LoRA matrices, but target_modules of adapter_config.json does not name it": {"target_modules": []},
    "the scale of '.*' is not finite": {"lora_alpha": 1e300},
}


@pytest.mark.parametrize("message", BAD_PEFT)
def test_refuses_a_peft_directory(base, tmp_path, message):
    options = dict(BAD_PEFT[message])
    peft = write_peft(tmp_path / "peft", options.pop("tensors", trained)(), **options)
    with pytest.raises(GgufError, match=message) as e:
        adapters.read_peft(peft, base)
    assert str(e.value).startswith(str(peft)) and "\n" not in str(e.value)


def test_takes_what_peft_takes_where_target_modules_is_null(base, tmp_path):
    two = {n: t for n, t in trained().items() if "q_proj" in n or "v_proj" in n}
    adapter = adapters.read_peft(write_peft(tmp_path / "peft", two, target_modules=None), base)
    assert {m.weight.split(".")[2] for m in adapter.matrices} == {"attn_q", "attn_v"} and adapter.notes == []


def test_refuses_folders_that_hold_no_adapter(base, tmp_path):
    with pytest.raises(GgufError, match="adapter_config.json is missing$"):
        adapters.read_peft(tmp_path, base)
    write_peft(tmp_path / "named")
    with pytest.raises(GgufError, match="in a folder of its own, .*named"):
        adapters.read_peft(tmp_path, base)
    (tmp_path / "named/adapter_model.safetensors").rename(tmp_path / "named/adapter_model.bin")
    with pytest.raises(GgufError, match="a pickle can run programs"):
        adapters.read_peft(tmp_path / "named", base)
    with pytest.raises(OSError):
        adapters.read_peft(tmp_path / "none", base)


def adapter_file(path, **wrong):
    w = gguf.Writer()
    w.set_str("general.type", wrong.get("kind", "adapter"))
    w.set_str("general.architecture", wrong.get("architecture", "llama"))
    w.set_str("adapter.type", "lora")
    if "alpha" in wrong:
        wrong["alpha"](w)
    else:
        w.set_float("adapter.lora.alpha", 8)
    for key, value in wrong.get("keys", {}).items():
        w.set_str(key, value)
    w.add_array("blk.0.attn_q.weight.lora_a", wrong.get("a", np.ones((4, 64), np.float32)), wrong.get("dtype", "f32"))
    if "b" not in wrong or wrong["b"] is not None:
        w.add_array(wrong.get("b_name", "blk.0.attn_q.weight.lora_b"), wrong.get("b", np.ones((64, 4), np.float32)))
    for name, values in wrong.get("more", {}).items():
        w.add_array(name, values)
    if "invocation" in wrong:
        w.set_array("adapter.alora.invocation_tokens", wrong["invocation"])
    if "rows" in wrong:
        table, (values, ids) = wrong.get("table", "token_embd.weight"), wrong["rows"]
        w.add_array(f"{table}.rows", values)
        w.add_raw(f"{table}.row_ids", "i32", [len(ids)], np.array(ids, "<i4").view(np.uint8))
    w.write(path)
    return path


def test_says_what_it_does_not_follow(base, tmp_path):
    fields = {f"field{i}": i + 1 for i in range(20)}
    adapter = adapters.read_peft(write_peft(tmp_path / "peft", target_modules=[*LINEARS, "fc1"], **fields), base)
    assert adapter.notes[0] == "adapter_config.json: 'field0' (1) is not known here: kept, not followed"
    assert adapter.notes[16:] == ["adapter_config.json: and 4 more fields",
                                  "adapter_config.json: target_modules names 'fc1', of which there are no tensors"]
    adapters.write_peft(adapter, base, tmp_path / "again")
    assert json.loads((tmp_path / "again/adapter_config.json").read_text())["field19"] == 20
    with pytest.raises(GgufError, match="bytes of fields that are not known here"):
        adapters.read_peft(write_peft(tmp_path / "long", new="x" * (1 << 20)), base)


def test_a_linear_that_was_trained_whole_is_the_lora_of_the_difference(base):
    adapter = adapters.read_peft(ROOT / "tests/golden/lora/peft-whole", base)
    down, k = (next(m for m in adapter.matrices if m.weight == w) for w in ("blk.1.ffn_down.weight", "blk.2.attn_k.weight"))
    assert (down.r, k.r) == (64, 32)
    assert np.array_equal(down.b, np.eye(64)) and np.array_equal(k.b, np.eye(32)) and not np.array_equal(k.a, np.eye(32))
    with safetensors.SafeTensors(ROOT / "tests/golden/lora/peft-whole/adapter_model.safetensors") as file:
        trained_k = file.weights("base_model.model.model.layers.2.self_attn.k_proj.weight")
    assert np.abs(base.weight("blk.2.attn_k.weight") + k.b @ k.a - llama.rows_to_gguf(trained_k, 16)).max() < 1e-6
    assert len(adapter.norms) == 7 and [n for n in adapter.notes if "trained whole" in n][0].startswith("'model.layers.1.mlp.down_proj'")


def test_a_miss_of_several_ranks_is_no_peft_directory(base, tmp_path):
    adapter = adapters.read_peft(ROOT / "tests/golden/lora/peft-miss", base)
    m = adapter.matrices[1]
    m.a, m.b = lora.fixed_a(m.weight, 3, m.a.shape[1]), np.ascontiguousarray(m.b[:, :3])
    with pytest.raises(GgufError, match="PEFT's MissConfig has one rank for all"):
        adapters.write_peft(adapter, base, tmp_path / "p")
    adapters.write_gguf(adapter, tmp_path / "a.gguf", base)
    assert {(x.r, x.scale) for x in adapters.read_gguf(tmp_path / "a.gguf", base).matrices} == {(6, 1.0), (3, 1.0)}


BAD_GGUF = {
    "general.type is 'model'": {"kind": "model"},
    "is for architecture 'gemma', the model 'llama' is 'llama'": {"architecture": "gemma"},
    "adapter.lora.alpha is of type f64; it must be a 32-bit float": {"alpha": lambda w: w.set_float(
        "adapter.lora.alpha", 8, gguf.ValueType.F64)},
    "key 'adapter.lora.alpha' is missing": {"alpha": lambda w: None},
    "adapter.lora.alpha is not finite": {"alpha": lambda w: w.set_float("adapter.lora.alpha", float("nan"))},
    "invocation_tokens must be an array of unsigned": {"keys": {"adapter.alora.invocation_tokens": "x"}},
    "invocation_tokens must be an array of unsigned 32": {"invocation": np.array([1], np.int32)},
    "holds 4294967295, which is no token": {"invocation": np.array([2**32 - 1], np.uint32)},
    "an activated LoRA with trained norms": {"invocation": np.array([1], np.uint32),
                                             "more": {"blk.0.attn_norm.weight": np.ones((1, 64), np.float32)}},
    "an activated LoRA is plain LoRA on linears": {"invocation": np.array([1], np.uint32), "keys": {"adapter.lora.kind": "miss"},
                                                   "a": lora.fixed_a("", 4, 64)},
    "has only one of .rows and .row_ids": {"more": {"token_embd.weight.rows": np.ones((1, 64), np.float32)}},
    "is f32 of 1 dimensions; ids are i32": {"more": {"token_embd.weight.rows": np.ones((1, 64), np.float32),
                                                     "token_embd.weight.row_ids": np.ones(1, np.float32)}},
    "64 values for 3 tokens": {"rows": (np.ones((1, 64), np.float32), [1, 2, 3])},
    "token 2 comes after 2; tokens ascend": {"rows": (np.ones((2, 64), np.float32), [2, 2])},
    "token -1; 0 to 159 are possible": {"rows": (np.ones((1, 64), np.float32), [-1])},
    "have 32 values, those of the model 'llama' have 64": {"rows": (np.ones((1, 32), np.float32), [1])},
    "'token_embd.weight.rows' holds nan": {"rows": (np.full((1, 64), np.nan, np.float32), [1])},
    "the head of the model 'llama' is its embedding": {"rows": (np.ones((1, 64), np.float32), [1]), "table": "output.weight"},
    "only embedding and head have rows": {"rows": (np.ones((1, 64), np.float32), [1]), "table": "blk.1.attn_q.weight"},
    "of kind 'loha', which is not known; lora, miss, dora are": {"keys": {"adapter.lora.kind": "loha"}},
    "'blk.0.attn_q.weight' has no magnitude, and is a dora": {"keys": {"adapter.lora.kind": "dora"}},
    "is said to be MiSS, but its A is not the fixed one": {"keys": {"adapter.lora.kind": "miss"}},
    "has rank 65, more than both sides of its weight": {"a": np.ones((65, 64), np.float32), "b": np.ones((64, 65), np.float32)},
    "'blk.0.attn_norm.weight' of 4 values is no norm of the model": {"more": {"blk.0.attn_norm.weight": np.ones((1, 4), np.float32)}},
    "key 'adapter.new' is not known here": {"keys": {"adapter.new": "x"}},
    "'2024-02-30' is no date": {"keys": {"adapter.chat_template.date": "2024-02-30"}},
    r"adapter.chat_template.kwargs: '\[1\]' is no JSON object": {"keys": {"adapter.chat_template.kwargs": "[1]"}},
    r"kwargs: '\{\"messages\": 1\}' is no JSON object": {"keys": {"adapter.chat_template.kwargs": '{"messages": 1}'}},
    r"kwargs: '\[\[\[\[": {"keys": {"adapter.chat_template.kwargs": "[" * 9000 + "]" * 7000}},
    "has only one of .lora_a and .lora_b": {"b": None},
    "has rank 4, .* has 3": {"b": np.ones((64, 3), np.float32)},
    r"is for a weight \[63, 64\]": {"b": np.ones((63, 4), np.float32)},
    "ends in neither .lora_a nor .lora_b": {"b_name": "rope_freqs.weight"},
    "is nf4; adapters are": {"dtype": "nf4"},
    "3 dimensions, 2 are needed": {"a": np.ones((2, 4, 64), np.float32)},
    "holds inf at element 0": {"a": np.full((4, 64), np.inf, np.float32)},
}


@pytest.mark.parametrize("message", BAD_GGUF)
def test_refuses_a_gguf_adapter(base, tmp_path, message):
    path = adapter_file(tmp_path / "a.gguf", **BAD_GGUF[message])
    with pytest.raises(GgufError, match=message) as e:
        adapters.read_gguf(path, base)
    assert str(e.value).startswith(f"{path}: ")


def test_an_unsound_adapter_is_not_written(base, tmp_path):
    good = adapters.read_gguf(adapter_file(tmp_path / "good.gguf"), base)
    m = good.matrices[0]

    def bad(**changes):
        return adapters.Adapter("llama", matrices=[adapters.LoraMatrix(**{**vars(m), **changes})])

    def with_rows(**changes):
        rows = {"weight": "token_embd.weight", "ids": np.array([1], np.int32), "values": np.ones((1, 64), np.float32), **changes}
        return adapters.Adapter("llama", matrices=[m], rows=[adapters.TokenRows(**rows)])

    refused = {
        "64 values for 2 tokens": with_rows(ids=np.array([1, 2], np.int32)),
        "of 'blk.9.x': only embedding and head": with_rows(weight="blk.9.x"),
        "an invocation with token 160": adapters.Adapter("llama", matrices=[m], invocation=[160]),
        "which act before its invocation": adapters.Adapter("llama", matrices=[m], invocation=[1], rows=with_rows().rows),
        "'token_embd.weight' twice": adapters.Adapter("llama", matrices=[m], rows=with_rows().rows * 2),
        "twice": adapters.Adapter("llama", matrices=[m, m]),
        "no matrices": adapters.Adapter("llama"),
        "has rank 65": bad(a=np.ones((65, 64), np.float32), b=np.ones((64, 65), np.float32)),
        "has no magnitude, and is a dora": adapters.Adapter("llama", kind="dora", matrices=[m]),
        "has a magnitude, and is a lora": bad(magnitude=np.ones(64, np.float32)),
        "has 3 magnitudes": adapters.Adapter("llama", kind="dora", matrices=[adapters.LoraMatrix(**{
            **vars(m), "magnitude": np.ones(3, np.float32)})]),
        "'blk.0.attn_norm.weight' holds nan at element 2": adapters.Adapter("llama", matrices=[m], norms={
            "blk.0.attn_norm.weight": np.array([1, 1, np.nan] + 61 * [1], np.float32)}),
        "is no norm of the model": adapters.Adapter("llama", matrices=[m], norms={"token_embd.weight": np.ones(160, np.float32)}),
        "one rank": bad(b=m.b[:, 1:]),
        "not finite": bad(scale=float("nan")),
        "holds nan": bad(a=m.a * np.float32("nan")),
        "is no linear": bad(weight="blk.9.attn_q.weight"),
        "is its embedding": bad(weight="output.weight"),
    }
    for message, adapter in refused.items():
        for write in (lambda a: adapters.write_gguf(a, tmp_path / "x.gguf", base),
                      lambda a: adapters.write_peft(a, base, tmp_path / "x")):
            with pytest.raises(GgufError, match=message):
                write(adapter)
    for values in (m.a.astype(np.float64), m.a[0], [[1.0]], None):
        with pytest.raises(TypeError, match="'blk.0.attn_q.weight.lora_a' must be an array of float32 with 2 dimensions"):
            adapters.write_gguf(bad(a=values), tmp_path / "x.gguf")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good.gguf"]


def test_expressions_that_could_take_for_ever_are_refused():
    for good in [r"(.*\.)?(q|k)_proj", r"(?:.*?(?:attn|mlp).*?(?:k_proj|v_proj).*?)|(?:model\.layers\.[\d]{1,}\.mlp)", "a?", "[+*]+",
                 r"\(+\)+", "(ab)?(c)*", "layers\\.(1|2)\\..*"]:
        compile_pattern(good)
    for bad in ["(a+)+", "(a*)*b", "((a+))*", "(?:a+b?)+", "(.*.*)*", ".*" * 9, "(a+|b){2,}", "x" * 5000, "(", "[", "a{99999999999}"]:
        with pytest.raises(GgufError):
            compile_pattern(bad)


def test_arrays_that_are_not_contiguous_are_written_as_they_read(base, tmp_path):
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((64, 8)).astype(np.float32), rng.standard_normal((8, 128)).astype(np.float32)
    views = adapters.LoraMatrix("blk.0.attn_q.weight", a[:, ::2].T, b[:4, ::2].T, 2.0)
    copies = adapters.LoraMatrix("blk.0.attn_q.weight", views.a.copy(), views.b.copy(), 2.0)
    assert not views.a.flags.c_contiguous and not views.b.flags.c_contiguous
    for name, m in (("views", views), ("copies", copies)):
        adapter = adapters.Adapter("llama", matrices=[m], norms={"output_norm.weight": np.ones(128, np.float32)[::2]})
        adapters.write_gguf(adapter, tmp_path / f"{name}.gguf", base)
        adapters.write_peft(adapter, base, tmp_path / name)
    for name in (".gguf", "/adapter_model.safetensors"):
        assert (tmp_path / f"views{name}").read_bytes() == (tmp_path / f"copies{name}").read_bytes()


VALUES = st.recursive(st.none() | st.booleans() | st.integers(-2**70, 2**70) | st.floats() | st.text(max_size=8),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                      max_leaves=5)


@given(key=st.sampled_from(["r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules", "use_rslora", "peft_type", "bias",
                            "init_lora_weights", "base_model_name_or_path", "use_dora", "modules_to_save", "exclude_modules",
                            "target_parameters", "layers_to_transform", "layers_pattern", "init_weights", "trainable_token_indices",
                            "alora_invocation_tokens", "other"]), value=VALUES)
def test_any_config_is_read_or_refused(base, tmp_path, key, value):
    peft = tmp_path / "peft"
    if not peft.exists():
        write_peft(peft)
    config = json.loads((peft / "adapter_config.json").read_text())
    config.pop("other", None)
    config[key] = value
    other = tmp_path / "other"
    other.mkdir(exist_ok=True)
    (other / "adapter_config.json").write_text(json.dumps(config))
    if not (other / "adapter_model.safetensors").exists():
        (other / "adapter_model.safetensors").symlink_to(peft / "adapter_model.safetensors")
    try:
        adapters.read_peft(other, base)
    except GgufError as e:
        assert str(e).startswith(str(other))
