"""The commands as users run them: output, exit codes, one line for an error, outputs untouched."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from adapter_files import LLAMA, write_of_another_base, write_peft
from checkpoint_files import write_checkpoint
from support import ROOT
from qlora_gguf import adapters, gguf
from qlora_gguf.__main__ import main
from qlora_gguf.metrics import points, read_metrics
from qlora_gguf.verify import verify


def run(*arguments):
    """Exit code and what was printed, without the time that a new interpreter takes."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as e:  # of argparse
            code = e.code
    return code, out.getvalue(), err.getvalue()


def ok(*arguments):
    code, out, err = run(*arguments)
    assert code == 0, err
    return out


def fails(*arguments):
    """The message of an error: one line, without a stack trace."""
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and err.startswith("qlora-gguf: "), (code, out, err)
    return err[len("qlora-gguf: "):-1]


@pytest.fixture
def small(tmp_path):
    w = gguf.Writer()
    w.set_str("general.architecture", "llama")
    w.set_str("evil", "a\x1b[31m\nb")
    w.set_array("numbers", np.arange(50, dtype=np.int32))
    w.set_strings("texts", ["a", "b"])
    w.add_array("w", np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64), "nf4")
    w.write(tmp_path / "small.gguf")
    return tmp_path / "small.gguf"


def test_dump(small):
    lines = ok("dump", small).splitlines()
    assert lines[0] == f"{small}: GGUF version 3, 5 keys, 1 tensors, 128 weights, aligned to 64"
    assert lines[1] == "  general.architecture = string 'llama'"
    assert lines[2] == r"  evil = string 'a\x1b[31m\nb'"
    assert lines[3] == "  numbers = i32[50] [0, 1, 2, 3, 4, 5, ...]" and lines[4] == "  texts = string[2] ['a', 'b']"
    assert lines[6].split() == ["w", "nf4", "[2,", "64]", "72", "bytes", "at", "512"]
    assert ok("dump", small, "--key", "numbers") == f"i32[50] {list(range(50))}\n"
    assert fails("dump", small, "--key", "none") == f"{small}: key 'none' is missing"
    assert "No such file" in fails("dump", small.parent / "none")
    small.write_bytes(small.read_bytes()[:50])
    assert "the file ends" in fails("dump", small) or "do not fit" in fails("dump", small)


def test_verify(small, tmp_path):
    assert ok("verify", small) == f"{small}: sound, 1 tensors, 128 weights, 72 bytes\n"
    w = gguf.Writer()
    x = np.ones((3, 64), dtype=np.float32)
    x[1, 2], x[2, 3] = np.nan, np.inf
    w.add_array("bad", x)
    w.add_array("zero", np.zeros(5, np.float32))
    w.add_raw("unknown", "q8_K", [256], np.zeros(292, np.uint8))
    w.write(tmp_path / "bad.gguf")
    code, out, err = run("verify", tmp_path / "bad.gguf")
    assert code == 2 and out == ""
    assert "tensor 'bad': 2 of 192 values are NaN or infinite, element 66 the first" in err
    assert "note: tensor 'zero' is all zeros" in err and "q8_K is not decoded here" in err


def test_verify_sees_scales_that_are_no_numbers(tmp_path):
    from qlora_gguf import quants

    data = quants.encode(np.ones(128, np.float32), "nf4")
    data[64:68].view(np.float32)[0] = np.nan
    w = gguf.Writer()
    w.add_raw("t", "nf4", [128], data)
    w.write(tmp_path / "f.gguf")
    assert verify(tmp_path / "f.gguf").faults == ["tensor 't': 64 of 128 values are NaN or infinite, element 0 the first"]


def test_convert(tmp_path):
    peft = write_peft(tmp_path / "peft")
    ok("convert", peft, "-o", tmp_path / "a.gguf", "--base", LLAMA)
    ok("convert", tmp_path / "a.gguf", "-o", tmp_path / "again", "--base", LLAMA)
    base = adapters.Base.open(LLAMA)
    first, again = (adapters.read_peft(folder, base) for folder in (peft, tmp_path / "again"))
    for m, n in zip(first.matrices, again.matrices, strict=True):
        assert m.weight == n.weight and m.scale == n.scale and np.array_equal(m.a, n.a) and np.array_equal(m.b, n.b)
    assert "sound" in ok("verify", tmp_path / "a.gguf")

    model = write_checkpoint(tmp_path / "model")
    ok("convert", model, "-o", tmp_path / "m.gguf", "--type", "q8_0")
    with gguf.open(tmp_path / "m.gguf") as f:
        assert f.tensors["blk.0.attn_q.weight"].dtype.label == "q8_0"

    before = (tmp_path / "a.gguf").read_bytes()
    (peft / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3"}))
    assert "only LORA and MISS are" in fails("convert", peft, "-o", tmp_path / "a.gguf", "--base", LLAMA)
    assert (tmp_path / "a.gguf").read_bytes() == before
    assert "--base MODEL is needed" in fails("convert", tmp_path / "a.gguf", "-o", tmp_path / "x")
    assert "--type is for checkpoints" in fails("convert", peft, "-o", tmp_path / "x", "--type", "nf4")
    assert "unknown type 'nf5'" in fails("convert", model, "-o", tmp_path / "x", "--type", "nf5")
    assert "is a model in GGUF already" in fails("convert", tmp_path / "m.gguf", "-o", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert run("convert")[0] == 2 and run("unknown")[0] == 2 and run("--help")[0] == 0


def test_inputs_are_not_overwritten(tmp_path):
    peft, model = write_peft(tmp_path / "peft"), write_checkpoint(tmp_path / "model")
    ok("convert", peft, "-o", tmp_path / "a.gguf", "--base", LLAMA)
    base = tmp_path / "base.gguf"
    ok("convert", LLAMA, "-o", base)
    metrics = write_lines(tmp_path / "m.jsonl", {"step": 1, "loss": 2})
    (tmp_path / "link").symlink_to(model / "model.safetensors")
    (tmp_path / "here").symlink_to(peft)

    def content():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = content()
    for arguments in [("convert", tmp_path / "a.gguf", "-o", tmp_path / "a.gguf"), ("convert", peft, "-o", base, "--base", base),
                      ("convert", tmp_path / "a.gguf", "-o", base, "--base", base), ("convert", peft, "-o", peft, "--base", base),
                      ("convert", peft, "-o", peft / "adapter_model.safetensors", "--base", base),
                      ("convert", peft, "-o", tmp_path / "here" / "adapter_config.json", "--base", base),
                      ("convert", model, "-o", model / "config.json"), ("convert", model, "-o", tmp_path / "link"),
                      ("plot-metrics", metrics, "-o", metrics)]:
        assert "would be overwritten" in fails(*arguments), arguments
        assert content() == before
    for _ in range(2):
        ok("convert", model, "-o", model / "model.gguf")


def test_convert_refuses_another_base_unless_forced(tmp_path):
    write_of_another_base(tmp_path)
    for source, output in ((tmp_path / "wrong.gguf", tmp_path / "out"), (tmp_path / "wrong", tmp_path / "out.gguf")):
        said = fails("convert", source, "-o", output, "--base", LLAMA)
        assert "was trained on another base: 'some/llama' (identity 00000000deadbeef)" in said and "--force" in said
        assert not output.exists()
        code, _, err = run("convert", source, "-o", output, "--base", LLAMA, "--force")
        assert code == 0 and err.startswith("note: the adapter was trained on another base: 'some/llama'") and err.count("\n") == 1
    with gguf.open(tmp_path / "wrong.gguf") as wrong, gguf.open(tmp_path / "out.gguf") as out:
        assert dict(out.keys) == dict(wrong.keys) | {"qlora.other_base": out.get_str("qlora.other_base")}
        assert "some/llama" in out.get_str("qlora.other_base")
        for name, tensor in wrong.tensors.items():
            assert np.array_equal(tensor.decode(), out.tensors[name].decode())


@pytest.mark.parametrize("key, value", [("adapter.new", "x"), ("adapter.lora.kind", "loha"), ("adapter.type", "vectors")])
def test_verify_of_an_adapter_that_is_not_known_here_is_a_note(tmp_path, key, value):
    w = gguf.Writer()
    w.set_str("general.type", "adapter")
    w.set_str("general.architecture", "llama")
    w.set_str("adapter.type", "lora")
    w.set_float("adapter.lora.alpha", 8)
    w.set_str(key, value)
    w.add_array("blk.0.attn_q.weight.lora_a", np.ones((4, 64), np.float32))
    w.add_array("blk.0.attn_q.weight.lora_b", np.ones((64, 4), np.float32))
    w.write(tmp_path / "a.gguf")
    code, out, err = run("verify", tmp_path / "a.gguf")
    assert code == 0 and "sound" in out and err.startswith("note: ") and err.endswith("as an adapter it was not looked at\n"), err
    w.add_array("blk.0.attn_k.weight.lora_a", np.ones((4, 64), np.float32))
    w.unset(key)
    w.set_str("adapter.type", "lora")
    w.write(tmp_path / "a.gguf")
    assert "has only one of .lora_a and .lora_b" in fails("verify", tmp_path / "a.gguf")


@pytest.mark.parametrize("name", ["tokens", "alora"])
def test_verify_of_tokens_rows_and_invocations(tmp_path, name):
    base = adapters.Base.open(LLAMA)
    adapters.write_gguf(adapters.read_peft(ROOT / "tests/golden/lora" / name, base), tmp_path / "a.gguf", base)
    code, out, err = run("verify", tmp_path / "a.gguf")
    assert (code, err) == (0, "") and "sound" in out


def write_lines(path, *rows, end=""):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + end)
    return path


def pixels(data: bytes) -> np.ndarray:
    """Of a PNG in 8-bit RGBA, as matplotlib writes it."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour) == (8, 6)
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width * 4 + 1)


def test_plot_metrics(tmp_path):
    rows = [{"step": i, "loss": 3 / i, "lr": 1e-4 * i, **({"eval_loss": 2.5} if i == 4 else {})} for i in range(1, 9)]
    a = write_lines(tmp_path / "a.jsonl", *rows, {"step": 9, "loss": None, "skipped": "NaN"}, end='{"step": 10, "lo')
    assert points(read_metrics(a), "loss") == ([float(i) for i in range(1, 9)], [3 / i for i in range(1, 9)])
    assert points(read_metrics(a), "eval_loss") == ([4.0], [2.5])
    b = write_lines(tmp_path / "b.jsonl", {"step": 1, "loss": 2})
    if importlib.util.find_spec("matplotlib") is None:
        assert "plots need matplotlib" in fails("plot-metrics", a, "-o", tmp_path / "p.png")
        pytest.skip("matplotlib is not installed")
    assert ok("plot-metrics", a, b, "-o", tmp_path / "p.png") == f"{tmp_path / 'p.png'}\n"
    image = pixels((tmp_path / "p.png").read_bytes())
    assert image.shape == (660, 880 * 4 + 1) and len(np.unique(image)) > 20
    before = (tmp_path / "p.png").read_bytes()
    for content, message in [("", "holds no whole line"), ("[]\n", "line 1 is no JSON object"), ('{"loss": 1}\n', "line 1 has no step"),
                             ('{"step": 1}\n{"step"\n', "line 2 is no JSON")]:
        (tmp_path / "bad.jsonl").write_text(content)
        assert message in fails("plot-metrics", tmp_path / "bad.jsonl", "-o", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes() == before


def test_output_into_a_pipe_that_closes(small):
    command = f"{sys.executable} -m qlora_gguf dump {small} | head -c 1"
    done = subprocess.run(command, shell=True, cwd=ROOT / "gguf-py", capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (str(small)[:1], "")
