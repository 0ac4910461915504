"""Devices: where a model computes. "cpu" is always there."""
from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

from . import _structs as s
from ._convert import Options, describe
from ._library import capi, check
from ._native import Handle, Native
from ._records import BackendInfo, DeviceInfo, FoundDevice

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._records import DeviceOptions


class Device(Handle):
    """An open device. Threads may share it: they take turns."""

    def __init__(self, **options: Unpack[DeviceOptions]) -> None:
        """name "auto", threads 0 (the physical cores), compute "auto" """
        given = Options(s.ql_device_options, options, "Device")
        pointer = ctypes.c_void_p()
        check(capi.ql_device_open(given.pointer, ctypes.byref(pointer)))
        self._own(Native("the device", pointer.value, capi.ql_device_close))

    @property
    def info(self) -> DeviceInfo:
        with self._use() as device:
            return describe(DeviceInfo, s.ql_device_info, capi.ql_device_describe, device)


_default: Device | None = None
_default_lock = threading.Lock()


def default_device() -> Device:
    """The device that calls without one use: "auto", opened when it is first needed."""
    global _default
    with _default_lock:
        if _default is None or _default.closed:
            _default = Device()
        return _default


def backends() -> list[BackendInfo]:
    """The backends that were found, those that were refused among them."""
    return [describe(BackendInfo, s.ql_backend_info, capi.ql_backend_describe, i) for i in range(capi.ql_backend_count())]


def found_devices(backend: str) -> list[FoundDevice]:
    """The devices that a backend can open."""
    for i, info in enumerate(backends()):
        if info.name == backend:
            return [describe(FoundDevice, s.ql_found_device, capi.ql_backend_device, i, n) for n in range(info.devices)]
    return []
