"""Sessions, logits, generation, chats, evaluation."""
from __future__ import annotations

import gc
import json
import signal
import time

import numpy as np
import pytest
from conftest import finished, from_environment, python

import qlora_gguf.lib as ql
from qlora_gguf.lib import session as session_module

GREEDY = {"temperature": 0, "n_predict": 24}


def log_softmax(logits: np.ndarray) -> np.ndarray:
    x = logits.astype(np.float64)
    return x - x.max() - np.log(np.exp(x - x.max()).sum())


def test_logits_are_a_read_only_view_of_the_sessions_memory(model):
    session = ql.Session(model)
    first = session.eval([1, 2, 3])
    assert first.dtype == np.float32 and first.shape == (300,) and not first.flags.writeable and not first.flags.owndata
    kept = first.copy()
    second = session.eval([4])
    assert second.ctypes.data == first.ctypes.data  # no copy: the same memory, overwritten
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, kept)
    with pytest.raises(ValueError):
        first[0] = 0
    with pytest.raises(ValueError):
        first.flags.writeable = True


def test_a_view_outlives_its_session(tiny):
    model = ql.Model(tiny.model)
    session = ql.Session(model)
    view = session.eval([1, 2, 3])[10:20]
    kept, native = view.copy(), session._native
    session.close()
    model.close()
    del session, model
    gc.collect()
    assert native.pointer
    np.testing.assert_array_equal(view, kept)
    del view
    gc.collect()
    assert native.pointer == 0


def test_logits_give_the_loss_that_evaluate_gives(model, data, trained):
    adapter = ql.Adapter.open(trained, model)
    device = ql.Device(threads=1, compute="f32")
    total, n = 0.0, 0
    for i in range(len(data)):
        prompt, answer = data.prompt_tokens(i), model.tokenizer.encode(data.prompt(i)[1], continues=True)
        wanted = [*answer, model.tokenizer.eos]
        with ql.Session(model, adapter, device=device, cache_type="f32") as session:
            logits = session.eval(prompt)
            for token in wanted:
                total -= log_softmax(logits)[token]
                n += 1
                logits = session.eval([token])
    result = ql.evaluate(model, data, adapter, ctx=128, device=device)
    assert result.tokens == n and result.nll == pytest.approx(total / n, abs=1e-4)
    assert result.ppl == pytest.approx(np.exp(result.nll))


def test_adapters_are_applied_with_their_factors(model, trained):
    adapter = ql.Adapter.open(trained, model)

    def logits(adapters):
        return ql.Session(model, adapters).eval([1, 2, 3]).copy()

    np.testing.assert_array_equal(logits(None), logits([(adapter, 0.0)]))
    np.testing.assert_array_equal(logits(adapter), logits([(adapter, 1.0)]))
    np.testing.assert_allclose(logits([(adapter, 0.5), (adapter, 0.5)]), logits(adapter), atol=1e-3)
    assert not np.array_equal(logits(None), logits(adapter))
    with ql.Session(model, [(adapter, 0.0)]) as session:
        session.eval([1, 2, 3])
        session.set_adapter_scales([1.0])
        assert session.position == 0
        np.testing.assert_array_equal(session.eval([1, 2, 3]), logits(adapter))
        with pytest.raises(ql.Error, match="2 factors for 1 adapters"):
            session.set_adapter_scales([1.0, 1.0])
    with pytest.raises(TypeError, match="adapters: an Adapter or"):
        ql.Session(model, ["a"])
    with pytest.raises(TypeError, match="adapters: factor: a number is needed"):
        ql.Session(model, [(adapter, "1")])


def test_greedy_text_is_that_of_the_largest_logits(model, data, trained):
    adapter = ql.Adapter.open(trained, model)
    prompt, answer = data.prompt(0)
    ids = data.prompt_tokens(0)
    tokenizer = model.tokenizer
    with ql.Session(model, adapter) as session:
        by_hand, logits = [], session.eval(ids)
        while len(by_hand) < 24 and not tokenizer.is_end(int(logits.argmax())):
            by_hand.append(int(logits.argmax()))
            logits = session.eval(by_hand[-1:])
        session.reset()
        result = session.generate(prompt, **GREEDY)
        assert result.text == tokenizer.decode(by_hand) == answer and result.ended
        assert result.n_prompt == len(ids) and result.n_generated == len(by_hand) + 1
        session.reset()
        tokens = list(session.stream(ids, **GREEDY, n_top=3))
        assert [t.token for t in tokens[:-1]] == by_hand and "".join(t.piece for t in tokens) == answer
        for t in tokens:
            assert len(t.top) == 3 and t.top[0] == (t.token, pytest.approx(t.logprob))


def test_sampling_follows_the_seed(model):
    def text(**options):
        return ql.Session(model).generate([1, 2], n_predict=20, **options).text

    assert text(seed=1, temperature=2.0) == text(seed=1, temperature=2.0) != text(seed=2, temperature=2.0)
    with pytest.raises(ql.InvalidArgument, match="top-p|top_p"):
        text(top_p=7)
    with pytest.raises(TypeError, match="generate: no option 'temperatur'; did you mean temperature?"):
        text(temperatur=1)
    with pytest.raises(TypeError, match="no option 'sampling'"):
        text(sampling=1)


def test_leaving_a_stream_stops_the_model_there(model):
    session = ql.Session(model)
    for i, _ in enumerate(session.stream([1], temperature=1.0)):
        if i == 4:
            break
    assert session.position == 6  # the prompt and five tokens


def test_what_the_loop_raises_leaves_a_usable_session(model):
    session = ql.Session(model)
    with pytest.raises(ZeroDivisionError):
        for _ in session.stream([1], temperature=1.0):
            1 / 0
    session.reset()
    assert session.eval([1]).shape == (300,)


def test_a_full_context_is_said_before_anything_is_read(model):
    session = ql.Session(model, ctx=16)
    for call in (session.eval, session.generate, session.stream):
        with pytest.raises(ql.InvalidArgument, match="17 tokens do not fit: 0 of the context of 16 are taken"):
            call([1] * 17)
        assert session.position == 0


def test_long_prompts_are_read_in_pieces_with_the_same_bits():
    path = from_environment("QL_TEST_MODEL")
    with ql.Model(path) as model:
        ids = model.tokenizer.encode("The quick brown fox jumps over the lazy dog. " * 80)[:700]
        logits = []
        for piece in (512, 10**6):
            with pytest.MonkeyPatch.context() as patch, ql.Session(model, ctx=1024) as session:
                patch.setattr(session_module, "PIECE", piece)
                logits.append(session.eval(ids).copy())
                session.reset()
                result = session.generate(ids, n_predict=3, temperature=0)
                assert result.n_prompt == 700 and result.n_generated == 3
                logits.append(session.eval([1]).copy())
        np.testing.assert_array_equal(logits[0], logits[2])
        np.testing.assert_array_equal(logits[1], logits[3])


def test_ctrl_c_stops_generation(tiny):
    process = python("""
        import sys
        import qlora_gguf.lib as ql
        session = ql.Session(ql.Model(sys.argv[1]), ctx=256)
        print("ready", flush=True)
        n = 0
        try:
            while True:
                session.reset()
                session.generate([1], seed=n, temperature=3.0)
                n += 1
        except KeyboardInterrupt:
            session.reset()
            print(session.generate([1], n_predict=2).n_generated)
    """, tiny.model)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert finished(process) == "2\n"


def test_ctrl_c_at_any_moment_leaves_a_usable_session(tiny):
    """Short calls, so that it also comes while one begins or ends."""
    process = python("""
        import sys
        import qlora_gguf.lib as ql
        session = ql.Session(ql.Model(sys.argv[1]), ctx=256)
        n = 0
        while n < 20:
            try:
                session.reset()
                print(n, flush=True)
                while True:
                    session.generate([1], n_predict=1)
                    session.reset()
            except KeyboardInterrupt:
                n += 1
    """, tiny.model)
    for i in range(20):
        assert process.stdout.readline() == f"{i}\n", process.communicate()
        time.sleep(0.003 * i % 0.02)
        process.send_signal(signal.SIGINT)
    assert finished(process) == ""


@pytest.mark.parametrize("tokens, error, message", [
    (np.array([1, 2]), ql.BadDtype, "tokens: an array of int64, int32 is needed; convert it with .astype(np.int32)"),
    (np.array([1.0, 2.0], np.float32), ql.BadDtype, "an array of float32, int32 is needed"),
    (np.array([1, 2], ">i4"), ql.BadDtype, "an array of >i4, int32 is needed"),
    (np.arange(10, dtype=np.int32)[::2], ql.BadShape, "tokens: the array is not contiguous; copy it with np.ascontiguousarray"),
    (np.ones((2, 2), np.int32), ql.BadShape, "an array of 2 dimensions, one is needed"),
    ([1, 2**31], ql.InvalidArgument, "2147483648 is out of range"),
    ([1, 2.5], TypeError, "an integer is needed, not float"),
    ("text", TypeError, "token ids are needed, not a text"),
    ([1, 300], ql.InvalidArgument, "token 300 is outside the vocabulary of 300"),
    ([-1], ql.InvalidArgument, "token -1 is outside the vocabulary of 300"),
    ([], ql.InvalidArgument, "no tokens to read"),
    (np.empty(0, np.int32), ql.InvalidArgument, "no tokens to read"),
])
def test_bad_tokens_are_refused_in_a_line(model, tokens, error, message):
    session = ql.Session(model)
    with pytest.raises(error) as raised:
        session.eval(tokens)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert session.position == 0


def test_chat_answers_and_reads_each_turn_once(model, trained):
    adapter = ql.Adapter.open(trained, model)
    with ql.Session(model, adapter) as session:
        chat = ql.Chat(session)
        assert chat.ask("Order 0 tea", **GREEDY) == "tea x0"
        read, reset = [], session.reset
        session.reset = lambda: (read.append("forgotten"), reset())
        stream = session.stream
        session.stream = lambda tokens, **options: (read.append(len(tokens)), stream(tokens, **options))[1]
        second = "".join(chat.stream("Order 1 bread", **GREEDY))
        assert chat.messages == [{"role": "user", "content": "Order 0 tea"}, {"role": "assistant", "content": "tea x0"},
                                 {"role": "user", "content": "Order 1 bread"}, {"role": "assistant", "content": second}]
        text = model.render_chat(chat.messages[:3])
        first = model.tokenizer.encode_prompt(model.render_chat(chat.messages[:1]))
        assert len(read) == 1 and read[0] < len(model.tokenizer.encode_prompt(text)) - len(first)  # the first turn is not read again
        with ql.Session(model, adapter) as fresh:
            assert fresh.generate(text, **GREEDY).text == second


def test_chat_forgets_the_oldest_turns_and_keeps_the_system_text(model):
    with ql.Session(model, ctx=120) as session:
        chat = ql.Chat(session, "Be short.")
        for i in range(8):
            chat.ask(f"Order {i} tea", temperature=0, n_predict=5)
        assert chat.messages[0] == {"role": "system", "content": "Be short."}
        assert chat.messages[-2]["content"] == "Order 7 tea" and len(chat.messages) < 17
        with pytest.raises(ql.InvalidArgument, match="the message has .* tokens, the context 120"):
            chat.ask("long " * 100)
        assert chat.messages[-2]["content"] == "Order 7 tea"


def test_leaving_a_chat_keeps_what_was_said(model, trained):
    with ql.Session(model, ql.Adapter.open(trained, model)) as session:
        chat = ql.Chat(session)
        for piece in chat.stream("Order 0 tea", **GREEDY):
            break
        assert chat.messages[-1] == {"role": "assistant", "content": piece}
        assert chat.ask("Order 1 bread", **GREEDY)


def test_templates(model):
    messages = [{"role": "user", "content": "Hi"}]
    assert model.render_chat(messages) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert model.render_chat(messages, chat_template="{{ strftime_now('%Y-%m-%d') }}", date="2024-02-29") == "2024-02-29"
    told = "{{ 'quiet' if enable_thinking is false else 'loud' }}"
    assert model.render_chat(messages, chat_template=told) == "loud"
    assert model.render_chat(messages, chat_template=told, chat_template_kwargs={"enable_thinking": False}) == "quiet"
    with pytest.raises(ql.InvalidArgument, match="does not read 'thinking'"):
        model.render_chat(messages, chat_template=told, chat_template_kwargs={"thinking": False})
    assert "im_start" in ql.read_chat_template("chatml")
    with pytest.raises(ql.NotFound, match="chatml"):
        ql.read_chat_template("no-such-template")
    with pytest.raises(ql.Unsupported):
        model.render_chat(messages, chat_template="{% nonsense %}")
    with pytest.raises(ql.InvalidArgument, match="date"):
        model.render_chat(messages, date="2024-02-30")
    with pytest.raises(ql.InvalidArgument, match="message 0 has role; role and content are needed"):
        model.render_chat([{"role": "user"}])
    with pytest.raises(ql.InvalidArgument, match="content of message 0: the text holds a NUL"):
        model.render_chat([{"role": "user", "content": "a\0b"}])
    with pytest.raises(ql.InvalidArgument, match="is no Unicode text"):
        model.render_chat([{"role": "user", "content": "\ud800"}])


def test_text_is_evaluated_in_windows(model):
    text = "the bread and the tea " * 30
    whole = ql.evaluate_text(model, text, ctx=256)
    assert whole.tokens > 100 and whole.ppl == pytest.approx(np.exp(whole.nll))
    strided = ql.evaluate_text(model, text, ctx=64, stride=32)
    assert abs(strided.tokens - whole.tokens) <= 1 and strided.nll != whole.nll
    with pytest.raises(ql.InvalidArgument, match="context of 1 tokens"):
        ql.evaluate_text(model, text, ctx=1)


def test_text_is_counted_as_llama_perplexity_does(model):
    text = "the bread and the tea " * 30
    halves = ql.evaluate_text(model, text, ctx=64, count="llama_cpp")
    assert halves.tokens % (64 - 64 // 2 - 1) == 0 and halves.tokens > 0
    assert halves.tokens < ql.evaluate_text(model, text, ctx=64, count="each").tokens
    with pytest.raises(ql.InvalidArgument, match="less than a window"):
        ql.evaluate_text(model, "the bread", ctx=64, count="llama_cpp")
    with pytest.raises(ql.InvalidArgument, match="count"):
        ql.evaluate_text(model, text, count="all")


def test_the_most_probable_choice_counts(model, tmp_path):
    """The sums that decide are those of the choices' tokens behind the question, one token at a time."""
    questions = [("the bread and", [" the tea", " bread bread bread"]), ("the tea", [" and", " the"])]

    def nll(question, choice):
        total = 0.0
        with ql.Session(model, cache_type="f32") as session:
            logits = session.eval(model.tokenizer.encode(question))
            for token in model.tokenizer.encode(choice, continues=True):
                total -= log_softmax(logits)[token]
                logits = session.eval([token])
        return total

    likely = [int(np.argmin([nll(q, c) for c in choices])) for q, choices in questions]
    path = tmp_path / "choices.jsonl"

    def evaluate(answers, **options):
        path.write_text("".join(json.dumps({"question": q, "choices": c, "answer": a}) + "\n"
                                for (q, c), a in zip(questions, answers)))
        return ql.evaluate_choices(model, path, ctx=64, **options)

    seen = []
    result = evaluate(likely, on_window=seen.append)
    assert (result.questions, result.right) == (2, 2) and seen[-1].done == seen[-1].n
    assert evaluate([likely[0], 1 - likely[1]]).right == 1 and evaluate([1 - a for a in likely]).right == 0
    wanted = sum(nll(q, c[a]) for (q, c), a in zip(questions, likely))
    # where products round to bf16, several tokens at once round otherwise than one
    assert result.nll * result.tokens == pytest.approx(wanted, rel=2e-3)
    with pytest.raises(ql.BadFile, match="choices.jsonl"):
        evaluate([2, 0])
    with pytest.raises(ql.NotFound):
        ql.evaluate_choices(model, tmp_path / "none.jsonl")


def test_evaluation_tells_how_far_it_is(model, data):
    text, seen = "the bread and the tea " * 30, []
    whole = ql.evaluate_text(model, text, ctx=32, on_window=seen.append)
    assert [e.done for e in seen] == list(range(1, len(seen) + 1)) and {e.n for e in seen} == {len(seen)}
    assert (seen[-1].tokens, seen[-1].nll) == (whole.tokens, whole.nll) and len(seen) > 5
    seen.clear()
    whole = ql.evaluate(model, data, on_window=seen.append)
    assert seen[-1].done == seen[-1].n == len(seen) and (seen[-1].tokens, seen[-1].nll) == (whole.tokens, whole.nll)


def test_what_the_callback_raises_stops_the_evaluation(model):
    seen = []

    def stop(so_far):
        seen.append(so_far.done)
        if so_far.done == 2:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        ql.evaluate_text(model, "the bread and the tea " * 30, ctx=32, on_window=stop)
    assert seen == [1, 2]
    with pytest.raises(TypeError, match="an Adapter or"):
        ql.evaluate_text(model, "the bread", adapters=[3])


INTERRUPTED_EVALUATION = """
    import sys
    import qlora_gguf.lib as ql
    model = ql.Model(sys.argv[1])
    print("ready", flush=True)
    try:
        ql.evaluate_text(model, "the bread and the tea " * 200000, ctx=64)
    except KeyboardInterrupt:
        print(f"interrupted; {ql.evaluate_text(model, 'the bread and the tea', ctx=64).tokens}")
        sys.exit(7)
"""


def test_ctrl_c_stops_an_evaluation(tiny):
    process = python(INTERRUPTED_EVALUATION, tiny.model)
    assert process.stdout.readline() == "ready\n"
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert "interrupted; " in finished(process, 7)


def test_a_budget_changes_no_bit(model):
    text, prompt = "the bread and the tea " * 30, "the bread"
    with ql.Session(model) as session:
        plain, expected = session.info, session.eval(model.tokenizer.encode(prompt)).copy()
    with pytest.raises(ql.NoMemory, match=r"1 byte is given, and at least (\d+) MiB are needed") as refused:
        ql.Session(model, memory=1)
    least = int(str(refused.value).split("at least ")[1].split()[0]) << 20
    for memory in (least + (2 << 20), 1 << 40):
        with ql.Session(model, memory=memory) as session:
            assert session.info.planned_peak_bytes <= memory and session.info.cache_bytes == plain.cache_bytes > 0
            assert (session.eval(model.tokenizer.encode(prompt)) == expected).all()
    assert plain.read_bytes_per_pass == 0 and plain.weight_bytes > 100_000 and plain.adapter_bytes == 0
    whole = ql.evaluate_text(model, text, ctx=64)
    assert ql.evaluate_text(model, text, ctx=64, memory=1 << 40).nll == whole.nll
    with pytest.raises(ql.NoMemory, match="at least"):
        ql.evaluate_text(model, text, ctx=64, memory=1)


def test_adapters_are_one_or_a_pair_or_several_of_either(model, trained):
    one, two = ql.Adapter.open(trained, model), ql.Adapter.open(trained, model)

    def logits(adapters):
        return ql.Session(model, adapters).eval([1, 2, 3]).copy()

    half = logits([(one, 0.5)])
    assert not np.array_equal(half, logits(one))
    np.testing.assert_array_equal(logits((one, 0.5)), half)
    np.testing.assert_array_equal(logits((one, np.float32(0.5))), half)
    np.testing.assert_array_equal(logits((one, two)), logits([(one, 1), (two, 1)]))
    np.testing.assert_array_equal(logits((one, (two, 0.5))), logits([(one, 1), (two, 0.5)]))
    assert ql.evaluate_text(model, "the bread", (one, 0.5)).nll == ql.evaluate_text(model, "the bread", [(one, 0.5)]).nll
    for wrong, message in (((one, "x"), "factor: a number is needed, not str"), ((0.5, one), "is needed, not float"),
                           ((one, 0.5, two), "is needed, not float"), (3, "is needed, not int")):
        with pytest.raises(TypeError, match=message):
            ql.Session(model, wrong)
