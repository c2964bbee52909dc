"""Stops threads of another process where they stand, as a bug or a dead lock would, until the process ends.

Usage: hang_thread.py TID... Says "hangs" for each thread that has stopped. Nothing in the program knows of it:
the threads are traced (PTRACE_SEIZE) and interrupted, and never let go.
"""
import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000

tids = [int(tid) for tid in sys.argv[1:]]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
for tid in tids:
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, tid, None, None) != 0:
            sys.exit(f"ptrace {request:#x} of {tid}: {os.strerror(ctypes.get_errno())}")
while tids:
    tid, status = os.waitpid(-1, WALL)
    if os.WIFSTOPPED(status):
        print("hangs", flush=True)
    else:
        tids.remove(tid)
