"""Training from Python: the same run as the program's, in steps; stopped in every way that a user has."""
from __future__ import annotations

import json
import logging
import signal
import subprocess
import threading
import time

import pytest
from conftest import finished, python

import qlora_gguf.lib as ql

RUN = {"ctx": 128, "grad_accum": 2, "lr": 5e-3}


def trainer(model, data, adapter=None, **options):
    return ql.Trainer(model, adapter or ql.Adapter(model, r=4), data, **{**RUN, **options})


def test_gives_the_bytes_of_the_program(programs, tiny, model, tmp_path):
    subprocess.run([programs / "ql-finetune", "-m", tiny.model, "-d", tiny.chats, "-o", tmp_path / "program.gguf", "--lora-r", "4",
                    "--ctx", "128", "--steps", "8", "--lr", "5e-3", "--grad-accum", "2", "--base-type", "keep"],
                   check=True, capture_output=True, cwd=tmp_path)
    data = ql.Dataset(model, [tiny.chats], ctx=128)
    adapter = ql.Adapter(model, r=4)
    trainer(model, data, adapter, steps=8).run()
    adapter.save(tmp_path / "python.gguf")
    assert (tmp_path / "python.gguf").read_bytes() == (tmp_path / "program.gguf").read_bytes()


def test_steps_are_reported_with_their_figures(model, data):
    run = trainer(model, data, steps=6)
    assert len(run) == 6
    seen = list(run)
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6] and all(p.n_steps == 6 for p in seen)
    assert all(type(p.has_eval) is bool and p.skipped is None and p.tokens > 0 and p.tok_s > 0 for p in seen)
    assert seen[-1].loss < seen[0].loss
    summary = run.summary
    assert (summary.steps, summary.loss_first, summary.loss_last) == (6, seen[0].loss, seen[-1].loss)
    assert len(run) == 0 and list(run) == [] and run.stopped == ""


def test_tqdm_counts_the_steps(model, data):
    tqdm = pytest.importorskip("tqdm").tqdm
    bar = tqdm(trainer(model, data, steps=3), disable=None)
    assert bar.total == 3 and sum(1 for _ in bar) == 3


def test_evaluation_data_is_evaluated(model, data):
    held_out = data.split(0.25, seed=1)
    assert len(data) + len(held_out) == 12 and len(held_out) > 0
    run = ql.Trainer(model, ql.Adapter(model, r=4), data, held_out, **RUN, steps=4, eval_every=2)
    seen = list(run)
    assert [p.has_eval for p in seen] == [False, True, False, True]
    loss, tokens = run.evaluate()
    assert loss == seen[-1].eval_loss and tokens == seen[-1].eval_tokens == held_out.info.n_trained


def test_break_stops_at_that_step_and_the_next_loop_goes_on(model, data, tmp_path):
    whole, halves = ql.Adapter(model, r=4), ql.Adapter(model, r=4)
    trainer(model, data, whole, steps=8).run()
    run = trainer(model, data, halves, steps=8, checkpoint_dir=tmp_path / "checkpoints")
    for p in run:
        if p.step == 3:
            break
    assert run.stopped.startswith("stopped after step 3 of 8; saved in ") and len(run) == 5
    assert any((tmp_path / "checkpoints").iterdir())
    assert [p.step for p in run] == [4, 5, 6, 7, 8]
    for adapter, name in ((whole, "whole"), (halves, "halves")):
        adapter.save(tmp_path / name)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "halves").read_bytes()


def test_what_the_loop_raises_arrives_after_the_run_has_stopped(model, data, tmp_path):
    adapter = ql.Adapter(model, r=4)
    run = trainer(model, data, adapter, steps=50)

    def on_progress(p):
        if p.step == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run.run(on_progress)
    assert run.stopped == "stopped after step 2 of 50"
    assert sum(m.norm > 0 for m in adapter.matrices) == 14  # what was learned until then
    adapter.save(tmp_path / "adapter.gguf")


def test_an_adapter_in_training_is_busy_and_everything_else_is_not(model, data):
    adapter = ql.Adapter(model, r=4)
    with ql.Session(model) as session:
        expected = session.generate([1, 2], n_predict=4, temperature=0).text
        run = trainer(model, data, adapter, steps=2)
        for p in run:
            with pytest.raises(ql.Busy, match="the adapter is in use by another call"):
                adapter.save("none.gguf")
            with pytest.raises(ql.Busy):
                list(run)
            with pytest.raises(ql.Busy, match="the dataset is in use by an object that was made from it"):
                data.split(0.5)
            session.reset()
            assert session.generate([1, 2], n_predict=4, temperature=0).text == expected
            assert ql.evaluate(model, data).tokens == 102
    assert adapter.info.n_matrices == 14


def test_lines_for_a_person_go_to_on_log_or_to_logging(model, data, tmp_path, caplog):
    """Whoever resumes a run whose best adapter has gone is told so."""
    held_out = data.split(0.3, seed=1)
    lines = []

    def run(**options):
        return ql.Trainer(model, ql.Adapter(model, r=4), data, held_out, **RUN, steps=4, eval_every=1, checkpoint_dir=tmp_path / "c",
                          best_path=tmp_path / "best.gguf", **options)

    for p in run(on_log=lines.append):
        if p.step == 2:
            break
    assert [line.split(":")[1] for line in lines] == [" only 4 steps"]
    lines.clear()
    for _ in range(2):
        (tmp_path / "best.gguf").unlink(missing_ok=True)
        with caplog.at_level(logging.INFO, logger="qlora_gguf"):
            list(run(resume="auto", **({} if lines else {"on_log": lines.append})))
        assert len(lines) == 1 and "best.gguf" in lines[0]
    logged = [r.getMessage() for r in caplog.records if r.name == "qlora_gguf"]
    assert logged[:1] == [lines[0].replace("2 steps", "4 steps")]
    assert len(logged) == 2 and logged[1].startswith("the run has ended after step 4: it goes on for more --epochs")


def test_a_resumed_run_counts_the_steps_left(model, data, tmp_path):
    first = trainer(model, data, steps=6, checkpoint_dir=tmp_path)
    for p in first:
        if p.step == 4:
            break
    first.close()
    second = trainer(model, data, steps=6, checkpoint_dir=tmp_path, resume="auto")
    assert second.info.first_step == 4 and len(second) == 2
    assert [p.step for p in second] == [5, 6]


INTERRUPTED = """
    import os, sys, pathlib
    import qlora_gguf.lib as ql
    model_path, chats, folder = sys.argv[1:4]
    model = ql.Model(model_path)
    data = ql.Dataset(model, chats, ctx=128)
    adapter = ql.Adapter(model, r=4)
    run = ql.Trainer(model, adapter, data, ctx=128, grad_accum=2, lr=5e-3, steps=100000, checkpoint_dir=folder)
    try:
        for p in run:
            if p.step == 5:
                print("ready", flush=True)
    except KeyboardInterrupt:
        print(f"interrupted; {run.stopped}")
        adapter.save(folder + "/adapter.gguf")
        sys.exit(7)
"""


def test_ctrl_c_stops_after_a_checkpoint_and_is_raised(tiny, tmp_path):
    for wait in (0, 0.01, 0.1):  # somewhere in the library or in Python
        folder = tmp_path / str(wait)
        process = python(INTERRUPTED, tiny.model, tiny.chats, folder)
        assert process.stdout.readline() == "ready\n"
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        out = finished(process, 7)
        step = int(out.split("stopped after step ")[1].split()[0])
        assert step >= 5 and f"saved in {folder}" in out, out
        with ql.Model(tiny.model) as model:
            data = ql.Dataset(model, tiny.chats, ctx=128)
            resumed = trainer(model, data, steps=100000, checkpoint_dir=folder, resume="auto")
            assert resumed.info.first_step == step
            assert ql.Adapter.open(folder / "adapter.gguf", model).info.n_matrices == 14
            ql.Adapter.open(folder, model).save(tmp_path / "again.gguf")  # the checkpoint's is the same
            assert (tmp_path / "again.gguf").read_bytes() == (folder / "adapter.gguf").read_bytes()


def test_ctrl_c_without_a_handler_ends_with_its_traceback(tiny, tmp_path):
    process = python(INTERRUPTED.replace("except KeyboardInterrupt", "except ZeroDivisionError"), tiny.model, tiny.chats, tmp_path / "c")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and err.rstrip().endswith("KeyboardInterrupt"), err
    assert any((tmp_path / "c").iterdir())


def test_other_threads_run_during_a_call(model):
    """One call of C: if it kept the interpreter's lock, no other thread could look at the clock in the middle of it."""
    text = " ".join(f"the {i} and 10 in 20" for i in range(12000))
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            seen.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=look)
    thread.start()
    start = time.perf_counter()
    ql.evaluate_text(model, text, ctx=256)
    end = time.perf_counter()
    stop.set()
    thread.join()
    quarter = (end - start) / 4
    assert quarter > 0.02, "too short to tell"
    assert any(start + quarter < t < end - quarter for t in seen)


def test_metrics_are_written(model, data, tmp_path):
    run = trainer(model, data, steps=3, metrics_path=tmp_path / "metrics.jsonl")
    losses = [p.loss for p in run]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [r["loss"] for r in rows if "loss" in r] == pytest.approx(losses, rel=1e-6)


@pytest.mark.parametrize("options, error, message", [
    ({"lrr": 1}, TypeError, "Trainer: no option 'lrr'; did you mean lr?"),
    ({"on_progress": print}, TypeError, "Trainer: no option 'on_progress'"),
    ({"size": 3}, TypeError, "Trainer: no option 'size'"),
    ({"lr": "1e-3"}, TypeError, "Trainer: lr: a number is needed, not str"),
    ({"steps": 1.5}, TypeError, "Trainer: steps: an integer is needed, not float"),
    ({"steps": 2**63}, ql.InvalidArgument, "Trainer: steps: 9223372036854775808 is out of range"),
    ({"seed": -1}, ql.InvalidArgument, "Trainer: seed: -1 is out of range, 0 to 18446744073709551615"),
    ({"shuffle": 2**33}, ql.InvalidArgument, "Trainer: shuffle: 8589934592 is out of range"),
    ({"schedule": "cosinus"}, ql.InvalidArgument, "Trainer: schedule: 'cosinus' is unknown; there are constant, linear, cosine"),
    ({"batch": -1}, ql.InvalidArgument, "batch: -1 is out of range, 0 to 4096 are possible"),
    ({"checkpoint_dir": "a\0b"}, ql.InvalidArgument, "Trainer: checkpoint_dir: the text holds a NUL at byte 1"),
    ({"checkpoint_dir": 3}, TypeError, "Trainer: checkpoint_dir: a str is needed, not int"),
    ({"resume": "no-such-folder"}, ql.InvalidArgument, "resume 'no-such-folder': a checkpoint directory is needed to go on in"),
])
def test_bad_options_are_refused_in_a_line(model, data, options, error, message):
    with pytest.raises(error) as raised:
        trainer(model, data, **options)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_an_adapter_knows_what_its_template_was_told(model, tiny, tmp_path):
    told = "{{ level | default('') }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    told += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    data = ql.Dataset(model, tiny.chats, ctx=128, chat_template=told, chat_template_kwargs='{"level": 7}')
    assert data.prompt(0)[0].startswith("7<|im_start|>")
    adapter = ql.Adapter(model, r=2)
    assert adapter.chat_template_kwargs == {}
    adapter.chat_template = told
    ql.Trainer(model, adapter, data, ctx=128, steps=1).run()
    adapter.save(tmp_path / "a.gguf")
    again = ql.Adapter.open(tmp_path / "a.gguf", model)
    assert again.chat_template_kwargs == {"level": 7}
    with ql.Session(model, again) as session:
        assert ql.Chat(session)._render([]).startswith("7<|im_start|>")
        assert ql.Chat(session, chat_template_kwargs={})._render([]).startswith("<|im_start|>")
