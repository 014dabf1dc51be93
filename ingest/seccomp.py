"""System calls that a process gives up, and one that it asks another process for (seccomp(2), seccomp_unotify(2)).

`give_up` is for good: no connections, no datagrams, no other program, no signal to or look into any other process, no
change to the owner, the rights or the times of files, no way back. It names what is refused: an allowlist would have to
follow every release of the C library. What is newer than this list does not exist for the process.

`ask_for` makes one system call a question: it waits until whoever holds the descriptor that is returned answers it
(`ingest.libav_lines`). The pointers of such a call are never looked at, and it is never let through, so there is
nothing that could be changed between the look and the call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # in struct seccomp_data
_KILL, _ASK, _ALLOW, _ERROR = 0x80000000, 0x7FC00000, 0x7FFF0000, 0x00050000
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8

_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*, <linux/audit.h>
_NEWEST = 452

# On x86_64 and aarch64; -1 where there is no such call.
_CALLS = {
    "connect": (42, 203),
    "bind": (49, 200),
    "socket": (41, 198),
    "sendto": (44, 206),
    "clone": (56, 220),
    "clone3": (435, 435),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "tgkill": (234, 131),
    "seccomp": (317, 277),
}
_REFUSED = {
    # connections and datagrams, those by io_uring as well
    "accept": (43, 202),
    "accept4": (288, 242),
    "listen": (50, 201),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "seccomp": _CALLS["seccomp"],
    # other programs and processes
    "fork": (57, -1),
    "vfork": (58, -1),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "setrlimit": (160, 164),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "semop": (65, 193),
    "msgget": (68, 186),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # what Landlock leaves of files
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    # the kernel's own surfaces
    "unshare": (272, 97),
    "setns": (308, 268),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}

_INTERNET = (2, 10)  # AF_INET, AF_INET6
_KIND_OF_SOCKET = 0xF
_CLONE_THREAD = 0x10000
_PRCTL_REFUSED = (1, 4, 22)  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP
_FCNTL_REFUSED = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others
_IOCTL_REFUSED = (0x8901, 0x8902, 0x5412)  # FIOSETOWN, SIOCSPGRP, TIOCSTI

_libc = ctypes.CDLL(None, use_errno=True)


class Unconfinable(OSError):  # noqa: N818 - it is what the host is
    """The host cannot keep the promise, so what was to be confined does not run."""


def ask_for(call: str) -> int:
    """From now on `call` ("connect" or "bind") waits for an answer; the descriptor that the questions come out of."""
    number = _number(call)
    program = _only_here(_jump(_EQUAL, number, 0, 1) + _end(_ASK) + _end(_ALLOW))
    return _install(program, _NEW_LISTENER)


def give_up(*, asked: str = "", sockets: int | None = None) -> None:
    """Refuse all that is in the module's list. `asked` stays a question; `sockets` is the kind that may be made."""
    program = _jump(_ABOVE, _NEWEST, 0, 1) + _end(_ERROR | errno.ENOSYS)
    program += _jump(_EQUAL, _number("clone3"), 0, 1) + _end(_ERROR | errno.ENOSYS)  # the C library falls back on clone
    numbers = [calls[_machine()] for calls in _REFUSED.values()]
    numbers += [_number(call) for call in ("connect", "bind") if call != asked]
    for number in numbers:
        if number >= 0:
            program += _jump(_EQUAL, number, 0, 1) + _end(_ERROR | errno.EPERM)
    for call, test in _tests(sockets).items():
        program += _jump(_EQUAL, _number(call), 0, len(test) // 8) + test
    _install(_only_here(program + _end(_ALLOW)), 0)


def _tests(sockets: int | None) -> dict[str, bytes]:
    """Of calls that depend on their arguments; each ends with a verdict."""
    no, yes = _end(_ERROR | errno.EPERM), _end(_ALLOW)
    return {
        "socket": no if sockets is None else _socket_test(sockets),
        # An address would make it a connection (MSG_FASTOPEN) or a datagram to anybody.
        "sendto": _none_of(4, (0,), yes=no, no=_low_zero(4, yes, no)),
        "clone": _load(0) + _jump(_ANY_BIT, _CLONE_THREAD, 1, 0) + no + yes,
        "prctl": _none_of(0, _PRCTL_REFUSED, yes=yes, no=no),
        "fcntl": _none_of(1, _FCNTL_REFUSED, yes=yes, no=no),
        "ioctl": _none_of(1, _IOCTL_REFUSED, yes=yes, no=no),
        "prlimit64": _none_of(2, (0,), yes=no, no=_low_zero(2, yes, no)),
        "tgkill": _load(0) + _jump(_EQUAL, os.getpid(), 1, 0) + no + yes,
    }


def _socket_test(kind: int) -> bytes:
    no, yes = _end(_ERROR | errno.EPERM), _end(_ALLOW)
    family = _load(0) + _jump(_EQUAL, _INTERNET[0], 2, 0) + _jump(_EQUAL, _INTERNET[1], 1, 0) + no
    masked = struct.pack("=HBBI", 0x54, 0, 0, _KIND_OF_SOCKET)  # A &= K: without SOCK_NONBLOCK and SOCK_CLOEXEC
    return family + _load(1) + masked + _jump(_EQUAL, kind, 1, 0) + no + yes


def _none_of(argument: int, values: tuple[int, ...], *, yes: bytes, no: bytes) -> bytes:
    """`yes` unless the argument's lower half is one of them, `no` then."""
    tests = b"".join(_jump(_EQUAL, value, len(values) - at + len(yes) // 8 - 1, 0) for at, value in enumerate(values))
    return _load(argument) + tests + yes + no


def _low_zero(argument: int, yes: bytes, no: bytes) -> bytes:
    """The lower half is zero: `yes` if the upper is as well."""
    return struct.pack("=HBBI", _LOAD, 0, 0, _ARGUMENTS + 8 * argument + 4) + _jump(_EQUAL, 0, 1, 0) + no + yes


def _load(argument: int) -> bytes:
    """The lower half of one, on a machine that stores that first, as both of ours do."""
    return struct.pack("=HBBI", _LOAD, 0, 0, _ARGUMENTS + 8 * argument)


def _jump(test: int, value: int, if_so: int, if_not: int) -> bytes:
    return struct.pack("=HBBI", test, if_so, if_not, value)


def _end(verdict: int) -> bytes:
    return struct.pack("=HBBI", _RETURN, 0, 0, verdict)


def _only_here(program: bytes) -> bytes:
    """Other ways into the kernel, of 32 bit, have other numbers: to use them is the end."""
    architecture = _MACHINES[platform.machine()]
    head = struct.pack("=HBBI", _LOAD, 0, 0, _ARCHITECTURE) + _jump(_EQUAL, architecture, 1, 0) + _end(_KILL)
    return head + struct.pack("=HBBI", _LOAD, 0, 0, _NUMBER) + program


def _machine() -> int:
    try:
        return list(_MACHINES).index(platform.machine())
    except ValueError:
        raise Unconfinable(errno.ENOSYS, f"system calls of {platform.machine()} are not known here") from None


def _number(call: str) -> int:
    return _CALLS[call][_machine()]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _install(program: bytes, flags: int) -> int:
    text = ctypes.create_string_buffer(program, len(program))
    given = _Program(len(program) // 8, ctypes.addressof(text))
    answer: int = _libc.syscall(_number("seccomp"), _SET_MODE_FILTER, flags, ctypes.byref(given))
    if answer < 0:
        number = ctypes.get_errno()
        raise Unconfinable(number, f"seccomp: {os.strerror(number)}")
    return answer
