"""The library from Python: load a model, fine-tune it, evaluate, generate, chat. ctypes over the C API.

    import qlora_gguf.lib as ql
    from tqdm import tqdm

    model = ql.Model("base.gguf")
    adapter = ql.Adapter(model, r=16)
    for p in tqdm(ql.Trainer(model, adapter, ql.Dataset(model, "train.jsonl"), lr=1e-3)):
        ...                                        p.step, p.loss, p.tok_s; Ctrl-C stops after a checkpoint
    adapter.save("adapter.gguf")
    with ql.Session(model, adapter) as session:
        print(ql.Chat(session).ask("Hello"))

Objects end with close(), a `with` block, or when nobody refers to them; what was made from others keeps them alive. An
object that was closed raises Closed. Calls let other threads run; a model, its tokenizer and a device may be shared, a
session and a trainer serve one call at a time (Busy). Errors are Error and its classes, with the library's message.
"""
from . import _records
from ._library import library_path, library_version
from ._records import *  # noqa: F403
from .adapter import Adapter, compose_methods
from .chat import Chat
from .dataset import Dataset
from .device import Device, backends, default_device, found_devices
from .dtypes import decode, dtypes, encode
from .errors import (BadDtype, BadFile, BadShape, Busy, Cancelled, Closed, Error, InternalError, InvalidArgument, IOFailed,
                     LibraryNotFound, NoMemory, NonFinite, NoSpace, NotFound, Unsupported)
from .evaluate import evaluate, evaluate_choices, evaluate_text
from .model import Model, read_chat_template
from .quantize import quantize
from .session import Session, Token
from .tokenizer import Tokenizer
from .trainer import Trainer

__all__ = [
    "Model", "Dataset", "Adapter", "Trainer", "Session", "Chat", "Tokenizer", "Device", "Token",
    "evaluate", "evaluate_choices", "evaluate_text", "quantize", "encode", "decode", "dtypes", "compose_methods",
    "read_chat_template", "default_device", "backends", "found_devices", "library_path", "library_version",
    "Error", "InvalidArgument", "BadShape", "BadDtype", "BadFile", "NotFound", "IOFailed", "NoSpace", "NoMemory", "Unsupported",
    "Cancelled", "NonFinite", "InternalError", "Closed", "Busy", "LibraryNotFound",
]
__all__ += _records.__all__
