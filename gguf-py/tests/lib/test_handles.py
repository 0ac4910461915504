"""How long objects live: nothing that is closed, collected or used by several threads ends in a crash."""
from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from conftest import finished, python

import qlora_gguf.lib as ql


def test_use_after_close_names_the_object(model, data, tiny):
    adapter, session, device, tokenizer = ql.Adapter(model, r=2), ql.Session(model), ql.Device(threads=1), model.tokenizer
    trainer = ql.Trainer(model, adapter, data, steps=1)
    calls = {
        "Session": lambda: session.eval([1]), "Trainer": lambda: trainer.run(), "Adapter": lambda: adapter.save("none"),
        "Dataset": lambda: len(data), "Tokenizer": lambda: tokenizer.encode("a"), "Device": lambda: device.info,
        "Model": lambda: model.info,
    }
    for handle in (session, trainer, adapter, data, tokenizer, device, model):
        handle.close()
        handle.close()
        assert handle.closed
    for name, call in calls.items():
        with pytest.raises(ql.Closed, match=f"^{name} is closed$"):
            call()
    for call in (lambda: ql.Session(model), lambda: ql.Dataset(model, tiny.chats), lambda: ql.evaluate(model, data),
                 lambda: ql.Adapter(model), model.__enter__):
        with pytest.raises(ql.Closed):
            call()


def test_with_closes(model):
    with ql.Session(model) as session:
        session.eval([1])
    assert session.closed


def test_children_keep_their_parents(tiny, trained):
    model = ql.Model(tiny.model)
    session = ql.Session(model, ql.Adapter.open(trained, model), device=ql.Device(threads=1))
    expected = session.eval([1, 2, 3]).copy()
    native = model._native
    model.close()
    del model
    gc.collect()
    assert native.pointer  # the session still reads its weights
    session.reset()
    np.testing.assert_array_equal(session.eval([1, 2, 3]), expected)
    session.close()
    assert native.pointer == 0
    with pytest.raises(ql.Closed):
        session.model  # noqa: B018


def test_a_trainer_keeps_what_it_trains(model, data):
    adapter = ql.Adapter(model, r=2)
    trainer = ql.Trainer(model, adapter, data, ctx=128, steps=2)
    for handle in (adapter, data, model):
        handle.close()
    assert len(list(trainer)) == 2


def test_collected_objects_are_freed_children_first(tiny):
    freed = []
    model = ql.Model(tiny.model)
    session = ql.Session(model)
    for handle in (model, session):
        native = handle._native
        free = native._free
        native._free = lambda p, f=free, w=native.what: (freed.append(w), f(p))
    model.cycle = session.cycle = [model, session]  # refer to each other: only the collector finds them
    del model, session, handle, native
    gc.collect()
    assert freed == ["the session", "the model"]


def test_nothing_is_kept_by_what_failed(model):
    gc.collect()
    before = model._native._holders
    for _ in range(3):
        with pytest.raises(ql.InvalidArgument):
            ql.Session(model, ctx=10**9)
        with pytest.raises(ql.NotFound):
            ql.Dataset(model, "none.jsonl")
        with pytest.raises(TypeError):
            ql.Adapter(model, rank=3)
    gc.collect()
    assert model._native._holders == before and not model._native._users


def test_closing_in_the_middle_of_a_call_waits_for_its_end(model, data):
    adapter = ql.Adapter(model, r=2)
    trainer = ql.Trainer(model, adapter, data, ctx=128, steps=5)
    steps = 0
    for _ in trainer:
        steps += 1
        for handle in (trainer, adapter, data, model):
            handle.close()
    assert steps == 5


def test_a_session_serves_one_call_at_a_time(model):
    session = ql.Session(model)
    failures = []
    for _ in session.stream([1], n_predict=3):
        for call in (lambda: session.eval([1]), session.reset, lambda: session.generate([1])):
            with pytest.raises(ql.Busy, match="the session is in use by another call"):
                call()
            failures.append(1)
    assert len(failures) >= 3
    session.eval([1])


def test_threads_share_a_model(model):
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, 256, 40).astype(np.int32) for _ in range(4)]
    expected = [ql.Session(model).eval(p).copy() for p in prompts]
    got = [None] * 4

    def work(i):
        for _ in range(10):
            with ql.Session(model) as session:
                got[i] = session.eval(prompts[i]).copy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(got, expected):
        np.testing.assert_array_equal(a, b)


def test_sessions_closed_by_another_thread_do_not_crash(model):
    stop = threading.Event()
    box = [ql.Session(model)]
    seen = set()

    def work():
        while not stop.is_set():
            try:
                box[0].eval(list(range(1, 60)))
                box[0].reset()
            except ql.Error as e:
                seen.add(type(e))

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(200):
        old, box[0] = box[0], ql.Session(model)
        old.close()
    stop.set()
    thread.join()
    assert seen <= {ql.Closed, ql.Busy}


@pytest.mark.parametrize("call, message", [
    (lambda m, d: ql.Dataset("a.jsonl", m), "Dataset: a Model is needed, not str"),
    (lambda m, d: ql.Adapter("a.gguf"), "Adapter: a Model is needed, not str"),
    (lambda m, d: ql.Adapter.open("a.gguf", "b.gguf"), "Adapter.open: a Model is needed, not str"),
    (lambda m, d: ql.Adapter.compose([m]), "Adapter.compose: an Adapter is needed, not Model"),
    (lambda m, d: ql.Trainer(m, d, d), "Trainer: an Adapter is needed, not Dataset"),
    (lambda m, d: ql.Trainer(m, ql.Adapter(m), "a.jsonl"), "Trainer: a Dataset is needed, not str"),
    (lambda m, d: ql.Trainer(m, ql.Adapter(m), d, "a.jsonl"), "Trainer: eval: a Dataset is needed, not str"),
    (lambda m, d: ql.Session("a.gguf"), "Session: a Model is needed, not str"),
    (lambda m, d: ql.Session(m, m), "adapters: an Adapter or (Adapter, factor) is needed, not Model"),
    (lambda m, d: ql.Chat(m), "Chat: a Session is needed, not Model"),
    (lambda m, d: ql.evaluate(m, "a.jsonl"), "evaluate: a Dataset is needed, not str"),
    (lambda m, d: ql.evaluate("a.gguf", d), "evaluate: a Model is needed, not str"),
])
def test_arguments_of_another_kind_are_named(model, data, call, message):
    with pytest.raises(TypeError) as raised:
        call(model, data)
    assert str(raised.value) == message


def test_objects_are_not_copied(model):
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="Model cannot be copied or pickled"):
            call(model)


def test_a_process_may_end_with_everything_open(tiny, tmp_path):
    out = finished(python("""
        import sys, threading
        import qlora_gguf.lib as ql
        model = ql.Model(sys.argv[1])
        data = ql.Dataset(model, sys.argv[2], ctx=128)
        adapter = ql.Adapter(model, r=2)
        session = ql.Session(model, adapter)
        view = session.eval([1, 2])
        steps = iter(ql.Trainer(model, adapter, data, steps=100, ctx=128))
        next(steps)                                    # a run that nobody goes on with
        tokens = session.stream([1], n_predict=100)
        next(tokens)
        def work():
            try:
                while True:
                    ql.evaluate(model, data)
            except ql.Error:                           # Python is ending
                pass
        threading.Thread(target=work, daemon=True).start()
        print("end")
    """, tiny.model, tiny.chats))
    assert out == "end\n"


def test_objects_can_be_referred_to_weakly(model):
    assert weakref.ref(model)() is model
