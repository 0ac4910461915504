"""Arguments of every kind: a call works, or raises TypeError or Error with a line; nothing is cut short, nothing ends the process."""
from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import qlora_gguf.lib as ql

hypothesis.settings.register_profile("lib", deadline=None, derandomize=True, max_examples=100, database=None,
                                     suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
hypothesis.settings.load_profile("lib")

ANYTHING = (st.none() | st.booleans() | st.integers(-2**70, 2**70) | st.floats() | st.text(max_size=6) | st.binary(max_size=6)
            | st.lists(st.integers(-2, 400), max_size=4) | st.just(object()))
ARRAYS = arrays(st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_, np.complex64]),
                st.tuples(st.integers(0, 3), st.integers(0, 64)) | st.tuples(st.integers(0, 200)), elements=st.just(1))


def works_or_says(call) -> bool:
    try:
        call()
    except (TypeError, ql.Error) as e:
        assert str(e) and "\n" not in str(e)
        return False
    return True


@given(name=st.sampled_from(["r", "alpha", "rslora", "targets", "seed", "kind", "norms", "layers", "rank_pattern", "alpha_pattern",
                             "init", "threads", "nothing"]), value=ANYTHING)
def test_of_a_new_adapter(model, name, value):
    def make():
        with ql.Adapter(model, **{"r": 2, **{name: value}}) as adapter:
            assert adapter.info.n_matrices > 0

    works_or_says(make)


@given(x=ARRAYS, view=st.sampled_from(["whole", "transposed", "every second", "backwards", "read-only"]),
       dtype=st.sampled_from(["f32", "f16", "q8_0", "nf4", "none"]))
def test_of_encode(x, view, dtype):
    views = {"whole": x, "transposed": x.T, "every second": x[::2], "backwards": x[::-1], "read-only": x.copy()}
    values = views[view]
    values.flags.writeable = False
    done = works_or_says(lambda: ql.encode(dtype, values))
    if done:
        assert values.dtype == np.float32 and values.flags.c_contiguous
    elif values.dtype == np.float32 and values.flags.c_contiguous and values.size and values.size % 64 == 0:
        assert dtype == "none"


@given(tokens=ANYTHING | ARRAYS)
def test_of_a_prompt(model, tokens):
    with ql.Session(model, ctx=64) as session:
        done = works_or_says(lambda: session.eval(tokens))
        assert session.position == (len(tokens) if done else 0)


@given(text=st.text(max_size=40) | st.binary(max_size=40), ctx=st.integers(-1, 300), stride=st.integers(-1, 300))
def test_of_an_evaluation(model, text, ctx, stride):
    works_or_says(lambda: ql.evaluate_text(model, text, ctx=ctx, stride=stride))


@pytest.mark.parametrize("use", [
    lambda o: ql.evaluate_text(o["model"], "the bread", o["adapter"]), lambda o: o["adapter"].save("x.gguf"),
    lambda o: o["adapter"].info, lambda o: ql.Session(o["model"], o["adapter"]), lambda o: o["session"].eval([1]),
    lambda o: ql.Adapter(o["model"]), lambda o: ql.Adapter.compose([o["adapter"]]),
])
def test_that_were_closed(tiny, use):
    model = ql.Model(tiny.model)
    objects = {"model": model, "adapter": ql.Adapter(model, r=2), "session": ql.Session(model)}
    for o in objects.values():
        o.close()
    with pytest.raises(ql.Closed, match="is closed"):
        use(objects)
