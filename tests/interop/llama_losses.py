"""Losses of a text in llama.cpp, computed in windows as its own llama-perplexity does: its C functions, which xllamacpp's library
has, called by ctypes. Their structures are those of build 11549; defaults that are not where they should be end the program."""
import ctypes as c
from pathlib import Path

import numpy as np

import xllamacpp

F32, NO_FLASH = 0, 0


class ContextParams(c.Structure):
    _fields_ = [(name, c.c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq", "n_outputs_max",
                                                "n_outputs_max_per_seq")] + [
        (name, c.c_int32) for name in ("n_threads", "n_threads_batch", "ctx_type", "rope_scaling", "pooling", "attention",
                                       "flash_attn")] + [
        ("rope", c.c_float * 6), ("yarn_orig_ctx", c.c_uint32), ("defrag", c.c_float), ("cb_eval", c.c_void_p),
        ("cb_eval_user", c.c_void_p), ("type_k", c.c_int32), ("type_v", c.c_int32), ("rest", c.c_byte * 256)]


class ModelParams(c.Structure):
    _fields_ = [("all", c.c_byte * 512)]


class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32)] + [(name, c.c_void_p) for name in ("token", "embd", "pos", "n_seq_id", "seq_id", "logits")]


def _function(library, name, result, *arguments):
    f = getattr(library, "llama_" + name)
    f.restype, f.argtypes = result, arguments
    return f


def _library():
    path = next(Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))
    return c.CDLL(str(path))


class LossesOfLlama:
    """A model in llama.cpp: as exact as it can be told to compute, which leaves it rounding activations to F16, or to 8 bits."""

    def __init__(self, path, n_ctx, threads=1):
        lib = _library()
        pointer = c.c_void_p
        _function(lib, "log_set", None, pointer, pointer)(c.cast(LOG, pointer), None)
        _function(lib, "backend_init", None)()
        model_params = _function(lib, "model_default_params", ModelParams)()
        self._model = _function(lib, "model_load_from_file", pointer, c.c_char_p, ModelParams)(str(path).encode(), model_params)
        params = _function(lib, "context_default_params", ContextParams)()
        known = (params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max, params.flash_attn, params.type_k, params.type_v)
        if known != (512, 2048, 512, 1, -1, 1, 1):
            raise SystemExit(f"llama.cpp's structures are others than in build 11549: {known}")
        params.n_ctx = params.n_batch = params.n_ubatch = n_ctx
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn, params.type_k, params.type_v = NO_FLASH, F32, F32
        self._context = _function(lib, "init_from_model", pointer, pointer, ContextParams)(self._model, params)
        vocab = _function(lib, "model_get_vocab", pointer, pointer)(self._model)
        self._n_vocab = _function(lib, "vocab_n_tokens", c.c_int32, pointer)(vocab)
        self._bos = _function(lib, "vocab_bos", c.c_int32, pointer)(vocab)
        self._adds_bos = _function(lib, "vocab_get_add_bos", c.c_bool, pointer)(vocab)
        self._vocab, self._lib = vocab, lib
        self._clear = _function(lib, "memory_clear", None, pointer, c.c_bool)
        self._memory = _function(lib, "get_memory", pointer, pointer)(self._context)
        self._decode = _function(lib, "decode", c.c_int32, pointer, Batch)
        self._logits = _function(lib, "get_logits", c.POINTER(c.c_float), pointer)

    def close(self):
        _function(self._lib, "free", None, c.c_void_p)(self._context)
        _function(self._lib, "model_free", None, c.c_void_p)(self._model)

    def tokenize(self, text):
        tokenize = _function(self._lib, "tokenize", c.c_int32, c.c_void_p, c.c_char_p, c.c_int32, c.POINTER(c.c_int32), c.c_int32,
                             c.c_bool, c.c_bool)
        data = text.encode()
        tokens = (c.c_int32 * (len(data) + 8))()
        n = tokenize(self._vocab, data, len(data), tokens, len(tokens), True, False)
        return list(tokens[:n])

    def losses(self, tokens):
        """Of each token but the first, after those before it."""
        n = len(tokens)
        ids, positions = (c.c_int32 * n)(*tokens), (c.c_int32 * n)(*range(n))
        counts, zero = (c.c_int32 * n)(*[1] * n), (c.c_int32 * 1)(0)
        sequences = (c.POINTER(c.c_int32) * n)(*[c.cast(zero, c.POINTER(c.c_int32))] * n)
        wanted = (c.c_byte * n)(*[1] * n)
        batch = Batch(n, *(c.cast(a, c.c_void_p) for a in (ids, None, positions, counts, sequences, wanted)))
        self._clear(self._memory, True)
        if self._decode(self._context, batch) != 0:
            raise SystemExit("llama_decode failed")
        logits = np.ctypeslib.as_array(self._logits(self._context), (n, self._n_vocab))
        out = []
        for i in range(n - 1):
            row = logits[i].astype(np.float64)
            top = row.max()
            out.append(np.log(np.exp(row - top).sum()) + top - row[tokens[i + 1]])
        return np.array(out)

    def windows(self, tokens, n_ctx):
        """The second half of each window, the first token of which is BOS where the model has it: llama-perplexity's way."""
        first = n_ctx // 2
        counted = []
        for w in range(len(tokens) // n_ctx):
            window = list(tokens[w * n_ctx:(w + 1) * n_ctx])
            if self._adds_bos:
                window[0] = self._bos
            counted.append(self.losses(window)[first:])
        return np.concatenate(counted)


@c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
def LOG(_level, _text, _user):
    pass
