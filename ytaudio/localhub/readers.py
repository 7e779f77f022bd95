"""Processes that read Parquet files for the pages, each within limits of time and memory.

A file is what its uploader made of it: its pages may unpack to any size, and no bound that its description states need
be true. So a file is opened in a process that may take only so much memory and time; when it does not come back, it is
replaced, and the page says so in a sentence.
"""

import contextlib
import json
import os
import queue
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

READERS = 3  # processes at most, and so files read at a time
_TIME_S = 20.0  # for one question
_MEMORY = 1536 << 20  # bytes of address space, of which the libraries take 0.3 GB
_ROOT = Path(__file__).parents[2]


class UnansweredError(ValueError):
    """A file could not be read; the message is one sentence for whoever looks at the page."""


class Readers:
    """A few reading processes, started when they are needed and kept until `close`."""

    def __init__(self, *, time_s: float = _TIME_S) -> None:
        self._time_s = time_s
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._idle.put(None)

    def ask(self, action: str, path: Path, **arguments: Any) -> Any:
        """What `parquet_rows.ACTION(path, **arguments)` gives; waits until a process is free.

        Raises:
            UnansweredError: the file is broken, too large, or takes too long.
        """
        process = self._idle.get()
        try:
            if process is None or process.poll() is not None:
                process = _start()
            return _answered(process, {"action": action, "path": str(path), **arguments}, self._time_s)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End the processes that are idle; one that is at work ends when it is asked no more."""
        for _ in range(READERS):
            with contextlib.suppress(queue.Empty):
                process = self._idle.get_nowait()
                if process:
                    _end(process)
                self._idle.put(None)


def _start() -> subprocess.Popen[bytes]:
    known = os.environ.get("PYTHONPATH")
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": f"{_ROOT}{os.pathsep}{known}" if known else str(_ROOT),
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others take address space in advance
        "MALLOC_ARENA_MAX": "1",  # each thread's own would take some too
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


def _answered(process: subprocess.Popen[bytes], question: dict[str, Any], time_s: float) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    slow = threading.Event()

    def give_up() -> None:
        slow.set()
        process.kill()

    timer = threading.Timer(time_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        head = process.stdout.readline().split()
        content = process.stdout.read(int(head[1])) if len(head) == 2 else b""
    except OSError:
        head, content = [], b""
    finally:
        timer.cancel()
    if len(head) != 2 or len(content) != int(head[1]):
        _end(process)
        if slow.is_set():
            raise UnansweredError(f"Reading this file takes longer than {time_s:.0f} s, so it is not shown.")
        raise UnansweredError("This file breaks the reader or takes more memory than it may, so it is not shown.")
    if head[0] == b"error":
        raise UnansweredError(content.decode())
    return content if head[0] == b"bytes" else json.loads(content)


def _answer(question: dict[str, Any]) -> tuple[bytes, bytes]:
    """A question's answer: (what it is, its bytes)."""
    from ytaudio.localhub import parquet_rows

    actions = {name: getattr(parquet_rows, name) for name in ("describe", "rows", "cell", "counts")}
    try:
        found = actions[question.pop("action")](**question)
    except parquet_rows.UnreadableError as error:
        return b"error", str(error).encode()
    except MemoryError:
        raise  # a process that ran out of memory is not asked again
    except Exception as error:  # noqa: BLE001  pyarrow raises what it likes on a file that is broken
        words = " ".join(str(error).split())[:200] or type(error).__name__
        return b"error", f"This file cannot be read as Parquet: {words}".encode(errors="replace")
    return (b"bytes", found) if isinstance(found, bytes) else (b"json", json.dumps(found).encode())


def _serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer questions, one a line, until there are no more."""
    from ytaudio.localhub import parquet_rows

    assert parquet_rows.pq is not None  # loaded now, so that the first question need not wait for it
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in questions:
        what, content = _answer(json.loads(line))
        answers.write(b"%s %d\n" % (what, len(content)) + content)
        answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
