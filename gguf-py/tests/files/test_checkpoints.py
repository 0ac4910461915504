"""Hugging Face directories to GGUF: our programs compute the same from both; and what is refused."""
from __future__ import annotations

import json

import numpy as np
import pytest
from checkpoint_files import CONFIG, MERGES, N_VOCAB, PRE, sentence_piece_model, tokenizer_json, weights, write_checkpoint
from support import ROOT, golden
from hypothesis import given
from hypothesis import strategies as st
from qlora_gguf import GgufError, checkpoints, gguf, llama, quants

TEXT = "the 1234  the \t cats'tin ü — <tool> <|turn|> それ HE'T the\r\n\r\n  hat"
ANSWER = ["-n", "4", "--temp", "0", "--logprobs", "5", "--compute", "f32", "--json"]


def answers(program, model, text):
    """Token ids and log-probabilities of what follows the text."""
    places = json.loads(program("ql-chat", "-m", model, "--raw", "-p", text, *ANSWER))["logprobs"]
    return [(p["id"], [(t["id"], t["logprob"]) for t in p["top"]]) for p in places]


def convert(folder, path, dtype=None):
    notes = []
    with checkpoints.Checkpoint.open(folder) as checkpoint:
        checkpoints.write_checkpoint(checkpoint, path, dtype, notes.append)
    return notes


MODELS = {
    **{pre: {"tokenizer": pre} for pre in PRE},
    "sentence piece": {"tokenizer": "sentence piece"},
    "own head, biases, linear rope": {"tie_word_embeddings": False, "attention_bias": True,
                                      "rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama3 rope, head length": {"head_dim": 16, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64}},
    "bf16 in parts": {"dtype": "BF16", "shards": 3, "model_type": "mistral", "architectures": ["MistralForCausalLM"]},
    "f16": {"dtype": "F16"},
}


@pytest.mark.parametrize("name", MODELS)
def test_programs_compute_the_same_from_both(program, tmp_path, name):
    folder, path = write_checkpoint(tmp_path / "model", **MODELS[name]), tmp_path / "model.gguf"
    convert(folder, path)
    for text in (TEXT, "the", "1 22 333 4444"):
        ours, theirs = (answers(program, m, text) for m in (path, folder))
        assert ours == theirs and len(ours) >= 1


def test_quantised_as_ql_quantize_does(program, tmp_path):
    folder = write_checkpoint(tmp_path / "model", intermediate_size=128)
    convert(folder, tmp_path / "f32.gguf")
    for dtype in ("nf4_dq", "q8_0", "bf16"):
        convert(folder, tmp_path / "ours.gguf", dtype)
        program("ql-quantize", tmp_path / "f32.gguf", tmp_path / "theirs.gguf", dtype)
        with gguf.open(tmp_path / "ours.gguf") as ours, gguf.open(tmp_path / "theirs.gguf") as theirs:
            assert list(ours.tensors) == list(theirs.tensors)
            for tensor, t in theirs.tensors.items():
                assert ours.tensors[tensor].dtype == t.dtype and ours.tensors[tensor].raw().tobytes() == t.raw().tobytes()
            assert ours.keys.get("general.file_type") == theirs.keys.get("general.file_type")


def test_weights_and_keys_are_where_gguf_has_them(tmp_path):
    folder, path = write_checkpoint(tmp_path / "tiny", "llama-bpe"), tmp_path / "model.gguf"
    notes = convert(folder, path)
    source = weights(CONFIG)
    with gguf.open(path) as f:
        for name, t in f.tensors.items():
            expected = source[llama.hf_name(name)]
            if name.split(".")[-2] in ("attn_q", "attn_k"):
                expected = expected.reshape(-1, 2, 8, 64).swapaxes(1, 2).reshape(-1, 64)
            assert np.array_equal(t.decode(), expected), name
        assert len(f.tensors) == len(source)
        tokens = f.get_strings("tokenizer.ggml.tokens")
        assert len(tokens) == N_VOCAB and tokens[266:272] == ["<|begin|>", "<|end|>", "<|turn|>", "<tool>", "[PAD270]", "[PAD271]"]
        assert f.get_array("tokenizer.ggml.token_type")[264:271].tolist() == [1, 1, 3, 3, 3, 4, 5]
        assert f.get_strings("tokenizer.ggml.merges") == MERGES and f.get_str("tokenizer.ggml.pre") == "llama-bpe"
        assert [f.get_int(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "eot")] == [266, 267, 268]
        assert f.get_bool("tokenizer.ggml.add_bos_token") is True and f.get_bool("tokenizer.ggml.add_eos_token") is False
        assert f.get_str("tokenizer.chat_template") == "{{ x }}" and f.get_str("general.name") == "tiny"
        assert f.get_int("llama.block_count") == 2 and f.get_float("llama.rope.freq_base") == 5000
        assert f.get_int("general.file_type") == 0
    assert notes == ["pad_token '<nowhere>' is not in the vocabulary, and is passed over"]


@pytest.mark.parametrize("name", ["llama", "llama3_rope", "llama_bias"])
def test_golden_models(tmp_path, name):
    """Shapes of rope factors and biases of what PyTorch computed with."""
    folder = ROOT / "tests/golden/arch" / name
    assert convert(folder, tmp_path / "m.gguf") == ["there is no tokenizer in the directory, and so none in the file"]
    with gguf.open(tmp_path / "m.gguf") as f:
        assert ("rope_freqs.weight" in f.tensors) == (name == "llama3_rope")
        assert ("blk.0.attn_q.bias" in f.tensors) == (name == "llama_bias")
        model = golden(f"arch/{name}/model")
        v = f.tensors["blk.1.attn_v.weight"].decode()
        assert np.array_equal(v, model["model.layers.1.self_attn.v_proj.weight"])


def test_rows_that_are_no_whole_blocks_keep_16_bits(tmp_path):
    notes = convert(write_checkpoint(tmp_path / "m"), tmp_path / "m.gguf", "nf4")  # intermediate_size 96
    assert "blk.0.ffn_down.weight is f16: rows of 96 are no multiple of nf4's block of 64" in notes
    with gguf.open(tmp_path / "m.gguf") as f:
        kinds = {name: t.dtype.label for name, t in f.tensors.items()}
    assert kinds["blk.1.ffn_down.weight"] == "f16" and kinds["blk.1.ffn_up.weight"] == "nf4"
    assert kinds["token_embd.weight"] == "q8_0" and kinds["blk.0.attn_norm.weight"] == "f32"


BAD_CONFIG = {
    "model_type 'gemma' is not converted here": {"model_type": "gemma"},
    "quantised checkpoints": {"quantization_config": {"bits": 4}},
    "only classes ...ForCausalLM are": {"architectures": ["LlamaForSequenceClassification"]},
    "hidden_act 'gelu'": {"hidden_act": "gelu"},
    "'num_key_value_heads' must divide": {"num_key_value_heads": 3},
    "'num_attention_heads' must be 1 to": {"num_attention_heads": 0},
    "'num_attention_heads' must divide hidden_size": {"num_attention_heads": 5, "num_key_value_heads": 5},
    "'hidden_size' must be a whole number": {"hidden_size": 64.0},
    "'hidden_size' is out of range": {"hidden_size": -1},
    "'num_hidden_layers' must be 1 to 16384": {"num_hidden_layers": 20000},
    "'rms_norm_eps' is out of range": {"rms_norm_eps": 2},
    "'sliding_window' is not supported": {"sliding_window": 16},
    "'layer_types' must be full_attention": {"layer_types": ["sliding_attention"]},
    "has no biases, but attention_bias is set": {"model_type": "mistral", "attention_bias": True},
    "rope type 'yarn'": {"rope_scaling": {"rope_type": "yarn", "factor": 2}},
    "'factor' must be positive": {"rope_scaling": {"type": "linear", "factor": 0}},
    "numbers of llama3 scaling must be positive": {"rope_scaling": {
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1, "original_max_position_embeddings": 64}},
    "say different things": {"rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "default"}},
    "'new_thing' is not known here": {"new_thing": 1},
    "'qk_layernorm' is true, only 0 is": {"qk_layernorm": True},
    "tensor 'model.layers.2.input_layernorm.weight' is missing": {"num_hidden_layers": 3},
    r"is \[300, 64\], \[301, 64\] is needed": {"vocab_size": 301},
    "self_attn.q_proj.bias' is missing": {"attention_bias": True},
    "lm_head.weight' is missing": {"tie_word_embeddings": False},
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "sound")


def changed_copy(sound, folder, **files):
    """A copy with some files replaced; None takes a file away."""
    folder.mkdir()
    for path in sound.iterdir():
        (folder / path.name).symlink_to(path)
    for name, content in files.items():
        name = name.replace("__", ".")
        (folder / name).unlink(missing_ok=True)
        if content is not None:
            (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


@pytest.mark.parametrize("message", BAD_CONFIG)
def test_refuses_a_config(sound, tmp_path, message):
    folder = changed_copy(sound, tmp_path / "m", config__json={**CONFIG, **BAD_CONFIG[message]})
    with pytest.raises(GgufError, match=message) as e:
        checkpoints.Checkpoint.open(folder)
    assert str(e.value).startswith(str(folder)) and "\n" not in str(e.value)


def test_refuses_files_that_do_not_go_together(sound, tmp_path):
    with pytest.raises(GgufError, match="neither model.safetensors nor"):
        checkpoints.Checkpoint.open(changed_copy(sound, tmp_path / "a", model__safetensors=None))
    index = {"weight_map": {"x": "../sound/model.safetensors"}}
    folder = changed_copy(sound, tmp_path / "b", model__safetensors=None, **{"model__safetensors__index__json": index})
    with pytest.raises(GgufError, match="is not the name of a file in the same directory"):
        checkpoints.Checkpoint.open(folder)
    extra = write_checkpoint(tmp_path / "c", attention_bias=True)
    (extra / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(GgufError, match="q_proj.bias' is there, but config.json speaks of none"):
        checkpoints.Checkpoint.open(extra)
    head = write_checkpoint(tmp_path / "d", tie_word_embeddings=False)
    (head / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(GgufError, match="is there and differs"):
        checkpoints.Checkpoint.open(head)


def test_a_closed_checkpoint_says_so(sound):
    checkpoint = checkpoints.Checkpoint.open(sound)
    checkpoint.close()
    with pytest.raises(GgufError, match="model.safetensors: the file was closed"):
        checkpoint.weight("blk.0.attn_q.weight")


def test_values_that_a_type_cannot_hold_are_refused(tmp_path):
    from adapter_files import save

    folder = write_checkpoint(tmp_path / "m")
    tensors = weights(CONFIG)
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = 1e9
    save(folder / "model.safetensors", tensors)
    with pytest.raises(GgufError, match="up_proj.weight': a value is 1e\\+09, which f16 cannot hold"):
        convert(folder, tmp_path / "m.gguf", "f16")
    convert(folder, tmp_path / "m.gguf", "bf16")
    with pytest.raises(GgufError, match="q2_K can be read, but is not written"):
        convert(folder, tmp_path / "m.gguf", "q2_K")


def model_part(**changes):
    return {"model": {**tokenizer_json("gpt-2")["model"], **changes}}


BAD_TOKENIZER = {
    r"the pre_tokenizer \(Split, ByteLevel\)": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated"}, {"type": "ByteLevel", "add_prefix_space": False}]}},
    r"the normalizer \(Lowercase\)": {"normalizer": {"type": "Lowercase"}},
    "'ignore_merges' does not go with": model_part(ignore_merges=True),
    "'type' must be BPE": model_part(type="Unigram"),
    "has no vocab, or no merges": model_part(vocab=[]),
    "has no usable id": model_part(vocab={"a": -1}),
    "have the same id 3": model_part(vocab={"a": 3, "b": 3}),
    "merge 1 is no pair of symbols": model_part(merges=["a b", "a b c"]),
    "the post_processor RobertaProcessing": {"post_processor": {"type": "RobertaProcessing"}},
    "has a step without a type": {"normalizer": {"type": "Sequence", "normalizers": [3]}},
    "the tokenizer has 4194304 tokens, the model's embedding 300": model_part(vocab={"a": (1 << 22) - 1}),
    "is no byte-level tokenizer, and GGUF needs": {"pre_tokenizer": {"type": "Metaspace"}},
}


@pytest.mark.parametrize("message", BAD_TOKENIZER)
def test_refuses_a_tokenizer(sound, tmp_path, message):
    folder = changed_copy(sound, tmp_path / "m", tokenizer__json=tokenizer_json("gpt-2", **BAD_TOKENIZER[message]))
    with pytest.raises(GgufError, match=message) as e:
        convert(folder, tmp_path / "m.gguf")
    assert str(e.value).startswith(str(folder)) and not (tmp_path / "m.gguf").exists()


def test_refuses_a_sentence_piece_model(sound, tmp_path):
    good = sentence_piece_model()
    cases = {"another algorithm than BPE": sentence_piece_model(algorithm=1), "remove_extra_whitespaces":
             sentence_piece_model(removes_spaces=1), "cut short": good[:-1], "cut short ": b"\xff" * 20, "no known type": good.replace(
                 b"\x18\x06", b"\x18\x09"), "is not supported": b""}
    for i, (message, data) in enumerate(cases.items()):
        folder = changed_copy(sound, tmp_path / str(i), tokenizer__json=None, tokenizer__model=data)
        with pytest.raises(GgufError, match=message.strip()):
            convert(folder, tmp_path / "m.gguf")


@given(data=st.data())
def test_any_sentence_piece_bytes_are_read_or_refused(data):
    from qlora_gguf.checkpoints.sentence_piece import read_sentence_piece

    good = bytearray(sentence_piece_model())
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        vocabulary = read_sentence_piece(bytes(good[:data.draw(st.integers(0, len(good)))]), "x")
        assert len(vocabulary.tokens) == len(vocabulary.types) == len(vocabulary.scores)
    except GgufError:
        pass


VALUES = st.none() | st.booleans() | st.integers(-2**70, 2**70) | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(key=st.sampled_from([*CONFIG, "head_dim", "rope_scaling", "rope_parameters", "layer_types", "sliding_window", "attention_bias"]),
       value=VALUES | st.dictionaries(st.sampled_from(["type", "rope_type", "factor", "rope_theta"]), VALUES))
def test_any_config_is_read_or_refused(sound, tmp_path, key, value):
    folder = tmp_path / "m"
    if not folder.exists():
        changed_copy(sound, folder, config__json={})
    (folder / "config.json").write_text(json.dumps({**CONFIG, key: value}))
    try:
        checkpoints.Checkpoint.open(folder).close()
    except GgufError:
        pass


def test_a_file_that_is_decoded_is_what_was_quantised(tmp_path):
    folder = write_checkpoint(tmp_path / "m", intermediate_size=128)
    convert(folder, tmp_path / "m.gguf", "nf4_dq")
    x = weights({**CONFIG, "intermediate_size": 128})["model.layers.0.mlp.up_proj.weight"]
    with gguf.open(tmp_path / "m.gguf") as f:
        t = f.tensors["blk.0.ffn_up.weight"]
        assert np.array_equal(t.decode(), quants.decode(quants.encode(x, "nf4_dq"), "nf4_dq", x.shape))
        assert 0.05 < np.linalg.norm(t.decode() - x) / np.linalg.norm(x) < 0.11  # 0.092 is NF4's error
