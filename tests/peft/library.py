"""libql-models through ctypes, as far as these tests need it: models, adapters, logits."""
import ctypes as c

import numpy as np

SESSION_OPTIONS = [("size", c.c_size_t), ("ctx", c.c_int64), ("adapters", c.c_void_p), ("scales", c.c_void_p),
                   ("n_adapters", c.c_int), ("cache_type", c.c_int), ("memory", c.c_uint64)]
DEVICE_OPTIONS = [("size", c.c_size_t), ("name", c.c_char_p), ("threads", c.c_int), ("compute", c.c_int)]
COMPUTE_F32, TYPE_F32 = 1, 0


def structure(fields):
    return type("Options", (c.Structure,), {"_fields_": fields})()


class Library:
    """Every failed call is a RuntimeError with the library's message. Nothing is freed: a test ends soon."""

    def __init__(self, path):
        self._lib = c.CDLL(str(path))
        self._lib.ql_error_message.restype = c.c_char_p
        self._lib.ql_adapter_note.restype = c.c_char_p
        options = structure(DEVICE_OPTIONS)
        self._lib.ql_device_options_init(c.byref(options))
        options.threads, options.compute = 1, COMPUTE_F32
        self._device = self._new("ql_device_open", c.byref(options))

    def _call(self, name, *arguments):
        if getattr(self._lib, name)(*arguments) != 0:
            raise RuntimeError(self._lib.ql_error_message().decode())

    def _new(self, name, *arguments):
        made = c.c_void_p()
        self._call(name, *arguments, c.byref(made))
        return made

    def model(self, path):
        return self._new("ql_model_open", str(path).encode(), None)

    def adapter(self, path, model):
        return self._new("ql_adapter_open", str(path).encode(), model)

    def notes(self, adapter):
        notes = []
        while (note := self._lib.ql_adapter_note(adapter, c.c_int64(len(notes)))) is not None:
            notes.append(note.decode())
        return notes

    def save(self, adapter, path):
        self._call("ql_adapter_save", adapter, str(path).encode())

    def save_peft(self, adapter, path):
        self._call("ql_adapter_save_peft", adapter, str(path).encode())

    def logits(self, model, adapter, ids, n_vocab):
        """Of the token after the last."""
        options = structure(SESSION_OPTIONS)
        self._lib.ql_session_options_init(c.byref(options))
        adapters = (c.c_void_p * 1)(adapter)
        options.ctx, options.cache_type = 64, TYPE_F32
        options.adapters, options.n_adapters = c.addressof(adapters), 1
        session = self._new("ql_session_create", model, self._device, c.byref(options))
        values = c.POINTER(c.c_float)()
        tokens = (c.c_int32 * len(ids))(*ids)
        self._call("ql_session_eval", session, tokens, c.c_int64(len(ids)), c.byref(values))
        result = np.ctypeslib.as_array(values, (n_vocab,)).copy()
        self._lib.ql_session_free(session)
        return result
