"""The library from Python: ctypes over the C API."""
from . import _records
from ._library import library_path, library_version
from ._records import *  # noqa: F403
from .adapter import Adapter, compose_methods
from .dataset import Dataset
from .device import Device, backends, default_device, found_devices
from .dtypes import decode, dtypes, encode
from .errors import (BadDtype, BadFile, BadShape, Busy, Cancelled, Closed, Error, InternalError, InvalidArgument, IOFailed,
                     LibraryNotFound, NoMemory, NonFinite, NoSpace, NotFound, Unsupported)
from .model import Model, read_chat_template
from .quantize import quantize
from .tokenizer import Tokenizer

__all__ = [
    "Model", "Dataset", "Adapter", "Tokenizer", "Device",
    "quantize", "encode", "decode", "dtypes", "compose_methods", "read_chat_template",
    "default_device", "backends", "found_devices", "library_path", "library_version",
    "Error", "InvalidArgument", "BadShape", "BadDtype", "BadFile", "NotFound", "IOFailed", "NoSpace", "NoMemory", "Unsupported",
    "Cancelled", "NonFinite", "InternalError", "Closed", "Busy", "LibraryNotFound",
]
__all__ += _records.__all__
