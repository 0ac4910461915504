"""Models, datasets, tokenizers, adapters, quantising: files in and out."""
from __future__ import annotations

import signal

import numpy as np
import pytest
from conftest import finished, python

import qlora_gguf.lib as ql
from qlora_gguf import gguf


def test_model_describes_itself(model, tiny):
    info = model.info
    assert (info.name, info.architecture, info.n_layer, info.n_embd, info.n_vocab, info.base_type) == ("tiny", "llama", 2, 64, 300, "f32")
    assert "im_start" in model.chat_template and model.notes == []
    with ql.Model(tiny.model, base_type="nf4_dq") as small:
        assert small.info.base_type == "nf4_dq" and small.info.weight_bytes < info.weight_bytes
    with ql.Model(tiny.model, base_type="auto") as auto:
        assert auto.info.base_type == "nf4_dq"


@pytest.mark.parametrize("call, error, message", [
    (lambda t, d: ql.Model(d / "none.gguf"), ql.NotFound, "none.gguf"),
    (lambda t, d: ql.Model(t.chats), ql.BadFile, "chats.jsonl"),
    (lambda t, d: ql.Model("a\0b"), ql.InvalidArgument, "the path holds a NUL"),
    (lambda t, d: ql.Model(3), TypeError, "path: a str or path is needed, not int"),
    (lambda t, d: ql.Model(t.model, base_type="q3_7"), ql.NotFound, "q3_7"),
    (lambda t, d: ql.Model(t.model, base_type=2**40), ql.InvalidArgument, "Model: base_type: 1099511627776 is out of range"),
    (lambda t, d: ql.Tokenizer(d / "none.gguf"), ql.NotFound, "none.gguf"),
    (lambda t, d: ql.Device(name="gpu9"), ql.NotFound, "gpu9"),
    (lambda t, d: ql.Device(threads=-1), ql.InvalidArgument, "thread"),
    (lambda t, d: ql.Device(compute="f64"), ql.InvalidArgument, "Device: compute: 'f64' is unknown; there are auto, f32, bf16"),
    (lambda t, d: ql.Adapter(ql.Model(t.model), r=0), ql.InvalidArgument, "r"),
    (lambda t, d: ql.Adapter(ql.Model(t.model), targets="nothing_like_it"), ql.InvalidArgument, "attn_q"),
    (lambda t, d: ql.Adapter(ql.Model(t.model), r=1 << 40), ql.InvalidArgument, "1099511627776"),
    (lambda t, d: ql.Adapter(ql.Model(t.model), alpha=1e300), ql.InvalidArgument, "Adapter: alpha: 1e+300 is out of range"),
    (lambda t, d: ql.Adapter(ql.Model(t.model), alpha=1e-300), ql.InvalidArgument, "Adapter: alpha: 1e-300 is out of range"),
    (lambda t, d: ql.Adapter(ql.Model(t.model), alpha=10**400), ql.InvalidArgument, "Adapter: alpha: 1000"),
    (lambda t, d: ql.Session(ql.Model(t.model), (ql.Adapter(ql.Model(t.model)), 1e300)), ql.InvalidArgument, "factor: 1e+300"),
    (lambda t, d: ql.Session(ql.Model(t.model)).set_adapter_scales([1e300]), ql.InvalidArgument, "scale: 1e+300"),
    (lambda t, d: ql.Tokenizer(t.model).encode(None), TypeError, "encode: text: a str or bytes is needed, not NoneType"),
    (lambda t, d: ql.Tokenizer(t.model).encode("a\ud800x"), ql.InvalidArgument, "encode: text: character 1 is no Unicode text"),
    (lambda t, d: ql.evaluate_text(ql.Model(t.model), "\ud800"), ql.InvalidArgument, "evaluate_text: text: character 0 is no"),
    (lambda t, d: ql.evaluate_text(ql.Model(t.model), None), TypeError, "evaluate_text: text: a str or bytes is needed"),
    (lambda t, d: ql.Model("\ud800"), ql.InvalidArgument, "path: character 0 is none of a path"),
    (lambda t, d: ql.Dataset(ql.Model(t.model), d / "none.jsonl"), ql.NotFound, "none.jsonl"),
    (lambda t, d: ql.Dataset(ql.Model(t.model), t.chats, long_policy="cut off"), ql.InvalidArgument, "there are cut, drop, error"),
    (lambda t, d: ql.quantize(t.model, d / "o.gguf", type="q7_9"), ql.NotFound, "q7_9"),
    (lambda t, d: ql.quantize(t.model, d / "none" / "o.gguf", type="q8_0"), ql.NotFound, "none"),
])
def test_failures_are_exceptions_with_the_librarys_line(tiny, tmp_path, call, error, message):
    with pytest.raises(error) as raised:
        call(tiny, tmp_path)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    if error is not TypeError:
        assert isinstance(raised.value, ql.Error) and list(tmp_path.iterdir()) == []


def test_exceptions_are_also_pythons_own():
    for ours, pythons in ((ql.InvalidArgument, ValueError), (ql.BadDtype, TypeError), (ql.IOFailed, OSError), (ql.NoMemory, MemoryError),
                          (ql.NotFound, LookupError), (ql.Unsupported, NotImplementedError), (ql.LibraryNotFound, ImportError)):
        assert issubclass(ours, pythons) and issubclass(ours, ql.Error)
        assert str(ours("a line")) == "a line"


def test_tokens_and_text(model, tiny):
    tokenizer = ql.Tokenizer(tiny.model)
    text = "the bread <|im_end|> ñ\0 and"
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.int32 and tokenizer.decode(tokens) == text
    assert tokenizer.eos not in tokens and tokenizer.eos in tokenizer.encode(text, parse_special=True)
    ids, spans = tokenizer.encode_spans(text)
    np.testing.assert_array_equal(ids, tokens)
    raw = text.encode()
    assert b"".join(raw[b:e] for b, e in spans) == raw
    assert [raw[b:e] for b, e in spans] == [tokenizer.piece(t) for t in tokens]
    assert tokenizer.decode_bytes(tokenizer.encode(b"\xff\xfe")) == b"\xff\xfe"
    assert tokenizer.decode([tokenizer.eos], render_special=True) == "<|im_end|>" and tokenizer.decode([tokenizer.eos]) == ""
    assert len(tokenizer) == 300 and tokenizer.is_end(tokenizer.eos) and not tokenizer.is_end(1) and not tokenizer.adds_bos
    np.testing.assert_array_equal(model.tokenizer.encode(text), tokens)
    assert len(tokenizer.encode("")) == 0 and tokenizer.decode([]) == ""
    for call in (lambda: tokenizer.piece(300), lambda: tokenizer.decode([-5]), lambda: tokenizer.piece(2**31)):
        with pytest.raises(ql.InvalidArgument):
            call()


def test_dataset_shows_its_samples(model, data, tiny):
    assert len(data) == 12 and data.info.n_trained == 102 and data.info.date == "" and data.notes == []
    assert data.show(0, "«", "»").endswith("assistant\n«tea x0<|im_end|>»\n")
    prompt, answer = data.prompt(1)
    assert answer == "bread x1" and prompt.endswith("<|im_start|>assistant\n")
    np.testing.assert_array_equal(data.prompt_tokens(1), model.tokenizer.encode(prompt, parse_special=True))
    for i in (-1, 12):
        with pytest.raises(ql.InvalidArgument, match=f"no sample {i} of 12"):
            data.show(i)
    with pytest.raises(ql.InvalidArgument, match="was opened for another model"):
        ql.evaluate(ql.Model(tiny.model), data)


def test_adapter_files(model, trained, tmp_path):
    adapter = ql.Adapter.open(trained, model)
    assert adapter.info.r_min == adapter.info.r_max == 8 and adapter.info.base_name == "tiny"
    assert {m.weight for m in adapter.matrices if m.norm > 0} == {
        f"blk.{i}.{n}.weight" for i in (0, 1) for n in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
    assert adapter.chat_template == model.chat_template
    adapter.save(tmp_path / "a.gguf")
    assert (tmp_path / "a.gguf").read_bytes() == trained.read_bytes()
    adapter.save_peft(tmp_path / "peft")
    ql.Adapter.open(tmp_path / "peft", model).save(tmp_path / "b.gguf")
    logits = [ql.Session(model, ql.Adapter.open(p, model)).eval([1, 2, 3]).copy() for p in (trained, tmp_path / "b.gguf")]
    np.testing.assert_array_equal(*logits)
    alone = ql.Adapter.open(trained)
    by_name = [{m.weight: m for m in a.matrices} for a in (alone, adapter)]
    assert alone.info == adapter.info and by_name[0] == by_name[1]
    with pytest.raises(ql.InvalidArgument, match="opened without its base model"):
        alone.save_peft(tmp_path / "none")
    adapter.chat_template = "{{ messages }}"
    assert adapter.chat_template == "{{ messages }}"


def test_composed_adapters_add_up(model, trained):
    adapter = ql.Adapter.open(trained, model)
    double = ql.Adapter.compose([adapter, adapter], weights=[0.5, 1.5])
    assert double.info.r_max == 16
    for one, two in zip(adapter.matrices, double.matrices):
        assert two.norm == pytest.approx(2 * one.norm, rel=1e-5)
    names = {m.name: m for m in ql.compose_methods()}
    assert {"cat", "linear", "svd", "ties", "dare_ties"} <= set(names) and names["svd"].takes_rank and not names["cat"].takes_rank
    for options, error, message in (({"weights": [1]}, ql.InvalidArgument, "2 adapters and 1 weights"),
                                    ({"method": "sum"}, ql.InvalidArgument, "sum"),
                                    ({"weights": [1, "2"]}, TypeError, "a number is needed, not str")):
        with pytest.raises(error, match=message):
            ql.Adapter.compose([adapter, adapter], **options)
    with pytest.raises(ql.Error):
        ql.Adapter.compose([])


def test_merged_file_is_base_and_adapter(model, data, tiny, trained, tmp_path):
    adapter = ql.Adapter.open(trained, model)
    seen = []
    adapter.merge(tiny.model, tmp_path / "merged.gguf", seen.append, type="f32")
    assert [t.index for t in seen] == list(range(len(seen))) and seen[0].n == len(seen)
    assert {t.name for t in seen if t.kept == t.kept} == {m.weight for m in adapter.matrices}
    assert all(t.from_ == t.to == "f32" for t in seen)
    with ql.Model(tmp_path / "merged.gguf") as merged:
        other = ql.Dataset(merged, tiny.chats, ctx=128)
        assert ql.evaluate(merged, other).nll == pytest.approx(ql.evaluate(model, data, adapter).nll, abs=0.02)


def test_a_merge_into_few_bits_is_asked_for(model, tiny, trained, tmp_path):
    adapter, out = ql.Adapter.open(trained, model), tmp_path / "merged.gguf"
    ql.quantize(tiny.model, tmp_path / "nf4.gguf", type="nf4")
    for base, options in ((tiny.model, {"type": "nf4"}), (tiny.model, {"type": "q4_0"}), (tmp_path / "nf4.gguf", {"type": "keep"}),
                          (tiny.model, {"recipe": "q4_K_M"})):
        with pytest.raises(ql.InvalidArgument, match="so few bits loses much of the adapter; .* force=True"):
            adapter.merge(base, out, **options)
        assert not out.exists()
    adapter.merge(tiny.model, out, type="q8_0")
    adapter.merge(tiny.model, out, type="keep")
    for options, made in (({}, "f16"), ({"type": "nf4", "force": True}, "nf4")):
        seen = []
        adapter.merge(tiny.model, out, seen.append, **options)
        assert {t.to for t in seen if t.kept == t.kept} == {made}


def test_a_merge_that_was_trained_for_is_exact(model, data, tiny, tmp_path):
    ql.quantize(tiny.model, tmp_path / "nf4.gguf", type="nf4", embedding_type="keep")
    with ql.Model(tmp_path / "nf4.gguf") as base:
        chats, adapter = ql.Dataset(base, tiny.chats, ctx=128), ql.Adapter(base, r=4)
        run = ql.Trainer(base, adapter, chats, chats, ctx=128, grad_accum=2, steps=4, lr=5e-3, merge_type="nf4")
        run.run()
        nll = run.evaluate()[0]
        for i, options in enumerate(({"embedding_type": "keep"}, {}, {"force": True}, {"force": True, "embedding_type": "auto"})):
            adapter.merge(tmp_path / "nf4.gguf", tmp_path / f"{i}.gguf", type="nf4", **options)
        for other in ({"type": "q4_0"}, {"type": "nf4", "embedding_type": "auto"}):
            with pytest.raises(ql.InvalidArgument, match="Adapter.merge: .* or give force=True"):
                adapter.merge(tmp_path / "nf4.gguf", tmp_path / "none.gguf", **other)
        adapter.merge(tmp_path / "nf4.gguf", tmp_path / "q4_0.gguf", type="q4_0", force=True)
    exact = (tmp_path / "0.gguf").read_bytes()
    assert [(tmp_path / f"{i}.gguf").read_bytes() == exact for i in range(1, 4)] == [True, True, False]
    assert not (tmp_path / "none.gguf").exists()
    with gguf.open(tmp_path / "q4_0.gguf") as forced:  # as any merge into it: not what an exact one would keep
        assert forced.tensors["token_embd.weight"].dtype.label == "q8_0"
    with ql.Model(tmp_path / "0.gguf") as merged:
        assert ql.evaluate(merged, ql.Dataset(merged, tiny.chats, ctx=128)).nll == pytest.approx(nll, abs=1e-3)


def test_another_base_is_refused_unless_any_is_taken(model, tiny, trained, tmp_path):
    with gguf.open(trained) as file:
        w = gguf.Writer()
        w.copy_keys(file)
        w.set_str("qlora.base.identity", "00000000deadbeef")
        for name, t in file.tensors.items():
            w.add_raw(name, t.dtype, t.shape, t.raw())
        w.write(tmp_path / "wrong.gguf")
    with pytest.raises(ql.BadFile, match="was trained on another base") as refused:
        ql.Adapter.open(tmp_path / "wrong.gguf", model)
    assert "--force" not in str(refused.value)  # which is the programs'
    adapter = ql.Adapter.open(tmp_path / "wrong.gguf", model, any_base=True)
    assert len(adapter.notes) == 1 and "was trained on another base" in adapter.notes[0] and "--force" not in adapter.notes[0]
    assert ql.Adapter.open(trained, model).notes == []
    right = ql.Session(model, ql.Adapter.open(trained, model)).eval([1, 2, 3]).copy()
    np.testing.assert_array_equal(ql.Session(model, adapter).eval([1, 2, 3]), right)
    alone = ql.Adapter.open(tmp_path / "wrong.gguf")
    with pytest.raises(ql.BadFile, match="was trained on another base"):
        ql.Session(model, alone)
    ql.Session(model, ql.Adapter.open(tmp_path / "wrong.gguf", any_base=True))


def test_quantize_reports_and_stops(tiny, tmp_path):
    seen = []
    ql.quantize(tiny.model, tmp_path / "small.gguf", seen.append, type="nf4_dq")
    assert 0 < max(t.rel_rmse for t in seen) < 0.2 and {t.to for t in seen} >= {"nf4_dq", "f32"}
    small = (tmp_path / "small.gguf").read_bytes()

    def fail(tensor):
        if tensor.index == 3:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ql.quantize(tiny.model, tmp_path / "small.gguf", fail, type="q8_0")
    assert (tmp_path / "small.gguf").read_bytes() == small and len(list(tmp_path.iterdir())) == 1


def test_ctrl_c_leaves_no_half_written_model(tiny, tmp_path):
    process = python("""
        import sys
        import qlora_gguf.lib as ql
        try:
            for i in range(100000):
                ql.quantize(sys.argv[1], sys.argv[2], lambda t: i or t.index or print("ready", flush=True), type="q8_0")
        except KeyboardInterrupt:
            sys.exit(7)
    """, tiny.model, tmp_path / "out.gguf")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    finished(process, 7)
    assert {p.name for p in tmp_path.iterdir()} <= {"out.gguf"}


@pytest.mark.parametrize("dtype", ["f16", "q8_0", "q4_0", "nf4", "nf4_dq"])
def test_codecs(dtype):
    x = np.random.default_rng(0).standard_normal(1024).astype(np.float32)
    data = ql.encode(dtype, x)
    y = ql.decode(dtype, data, 1024)
    assert np.square(x - y).mean() < 0.02 and data.nbytes < x.nbytes
    odd = np.zeros(data.size + 1, np.uint8)
    odd[1:] = data
    np.testing.assert_array_equal(ql.decode(dtype, odd[1:], 1024), y)


@pytest.mark.parametrize("call, error, message", [
    (lambda x: ql.encode("q8_0", x.astype(np.float64)), ql.BadDtype, "encode: values: an array of float64, float32 is needed"),
    (lambda x: ql.encode("q8_0", x[::2]), ql.BadShape, "encode: values: the array is not contiguous"),
    (lambda x: ql.encode("q8_0", x[:40]), ql.BadShape, "40 values are no whole blocks of q8_0, 32 each"),
    (lambda x: ql.encode("q8_0", x * np.nan), ql.NonFinite, ""),
    (lambda x: ql.encode("q2_K", x), ql.Unsupported, "q2_K"),
    (lambda x: ql.encode("q9", x), ql.NotFound, "q9"),
    (lambda x: ql.decode("q8_0", x, 64), ql.BadDtype, "decode: data: an array of float32, uint8 is needed"),
    (lambda x: ql.decode("q8_0", np.zeros(67, np.uint8), 64), ql.InvalidArgument, "64 values of q8_0 have 68 bytes, not 67"),
    (lambda x: ql.decode("q8_0", np.zeros(0, np.uint8), -1), ql.InvalidArgument, "-1 values"),
])
def test_bad_arrays_are_refused_in_a_line(call, error, message):
    with pytest.raises(error) as raised:
        call(np.ones(1024, np.float32))
    assert message in str(raised.value) and "\n" not in str(raised.value)
