"""The library from Python: ctypes over the C API."""
from . import _records
from ._library import library_path, library_version
from ._records import *  # noqa: F403
from .device import Device, backends, default_device, found_devices
from .dtypes import decode, dtypes, encode
from .errors import (BadDtype, BadFile, BadShape, Busy, Cancelled, Closed, Error, InternalError, InvalidArgument, IOFailed,
                     LibraryNotFound, NoMemory, NonFinite, NoSpace, NotFound, Unsupported)

__all__ = [
    "Device", "encode", "decode", "dtypes", "default_device", "backends", "found_devices", "library_path", "library_version",
    "Error", "InvalidArgument", "BadShape", "BadDtype", "BadFile", "NotFound", "IOFailed", "NoSpace", "NoMemory", "Unsupported",
    "Cancelled", "NonFinite", "InternalError", "Closed", "Busy", "LibraryNotFound",
]
__all__ += _records.__all__
