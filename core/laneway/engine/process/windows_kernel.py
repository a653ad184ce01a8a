"""Job objects, through ctypes. This module is imported on Windows only.

This process is put into a job object of its own that ends all in it when its last handle is closed, that is, when this process dies
for whatever reason: nothing that it started can outlive it. Job objects nest (Windows 8), so each renderer has one more.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from ctypes import wintypes
from dataclasses import dataclass

from laneway.engine.process import Launch
from laneway.engine.process.windows import Child

_KILL_ON_CLOSE = 0x2000
_BASIC_ACCOUNTING, _EXTENDED_LIMIT = 1, 9
_TICK = 1e-7  # seconds in the unit of Windows times


class _BasicLimit(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class _ExtendedLimit(ctypes.Structure):
    _fields_ = (
        ("Basic", _BasicLimit),
        ("Io", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class _Accounting(ctypes.Structure):
    _fields_ = (
        ("TotalUserTime", ctypes.c_int64),
        ("TotalKernelTime", ctypes.c_int64),
        ("ThisPeriodTotalUserTime", ctypes.c_int64),
        ("ThisPeriodTotalKernelTime", ctypes.c_int64),
        ("TotalPageFaultCount", wintypes.DWORD),
        ("TotalProcesses", wintypes.DWORD),
        ("ActiveProcesses", wintypes.DWORD),
        ("TotalTerminatedProcesses", wintypes.DWORD),
    )


@dataclass(slots=True)
class _Process:
    pid: int
    output: int
    process: subprocess.Popen[bytes]
    job: int

    def wait(self) -> int:
        return self.process.wait()


def _handle(process: subprocess.Popen[bytes]) -> int:
    return int(getattr(process, "_handle"))  # noqa: B009  # it has no public name


if sys.platform == "win32":

    class WindowsKernel:
        """`laneway.engine.process.windows.Kernel`."""

        def __init__(self) -> None:
            self._dll = ctypes.WinDLL("kernel32", use_last_error=True)
            self._dll.CreateJobObjectW.restype = wintypes.HANDLE
            self._dll.GetCurrentProcess.restype = wintypes.HANDLE
            self._own = self._job()
            self._dll.AssignProcessToJobObject(wintypes.HANDLE(self._own), wintypes.HANDLE(self._dll.GetCurrentProcess()))

        def _job(self) -> int:
            job = self._dll.CreateJobObjectW(None, None)
            if not job:
                raise ctypes.WinError(ctypes.get_last_error())
            limits = _ExtendedLimit()
            limits.Basic.LimitFlags = _KILL_ON_CLOSE
            self._dll.SetInformationJobObject(
                wintypes.HANDLE(job), _EXTENDED_LIMIT, ctypes.byref(limits), ctypes.sizeof(limits)
            )
            return int(job)

        def start(self, launch: Launch) -> Child:
            job = self._job()
            read, write = os.pipe()
            try:
                process = subprocess.Popen(
                    list(launch.argv),
                    executable=launch.path,
                    env=dict(launch.env),
                    cwd=launch.cwd,
                    stdin=subprocess.DEVNULL if launch.stdin is None else subprocess.PIPE,
                    stdout=write,
                    stderr=subprocess.STDOUT,
                    creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
                )
            except BaseException:
                os.close(read)
                self._dll.CloseHandle(wintypes.HANDLE(job))
                raise
            finally:
                os.close(write)
            # A child that it started before this line is only in this process's own job object; it ends with the lane, not the bucket.
            self._dll.AssignProcessToJobObject(wintypes.HANDLE(job), wintypes.HANDLE(_handle(process)))
            if launch.stdin is not None and process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.write(launch.stdin)
                    process.stdin.close()
            return _Process(process.pid, read, process, job)

        def ask(self, child: Child) -> None:
            with contextlib.suppress(OSError):
                os.kill(child.pid, signal.CTRL_BREAK_EVENT)

        def end(self, child: Child) -> None:
            assert isinstance(child, _Process)
            self._dll.TerminateJobObject(wintypes.HANDLE(child.job), 1)

        def close(self, child: Child) -> tuple[float, int, int]:
            assert isinstance(child, _Process)
            job = wintypes.HANDLE(child.job)
            times, limits = _Accounting(), _ExtendedLimit()
            self._dll.QueryInformationJobObject(job, _BASIC_ACCOUNTING, ctypes.byref(times), ctypes.sizeof(times), None)
            self._dll.QueryInformationJobObject(job, _EXTENDED_LIMIT, ctypes.byref(limits), ctypes.sizeof(limits), None)
            self._dll.TerminateJobObject(job, 1)
            self._dll.CloseHandle(job)
            seconds = (times.TotalUserTime + times.TotalKernelTime) * _TICK
            return seconds, int(limits.PeakProcessMemoryUsed), int(times.ActiveProcesses)
