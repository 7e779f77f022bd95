"""Runs of the real `ytaudio` command, each a fork of one process that has imported everything: milliseconds to start.

As a script it is that process: it reads one JSON request a line and answers each with one line. With `--room FOLDER` it
first mounts a file system in memory there, in namespaces of its own, which only its children see.
"""

import contextlib
import ctypes
import io
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000  # <linux/sched.h>
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 0x1, 0x20, 0x4000, 0x40000  # <linux/mount.h>
ROOM_BYTES = 16 << 20  # of the file system in memory
EVENTS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove")  # audited by Python itself


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    code: int  # negative: the signal that killed it
    stdout: str
    stderr: str
    moments: int  # that it lived through, where it was told to count them


class Forge:
    """The warm process, seen from a test; a context manager."""

    def __init__(self, place: Path, *words: str) -> None:
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(Path(__file__)), *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self._answer()["ready"]
        self._runs = self._last = 0
        self._outs: dict[int, str] = {}  # process id to where a run leaves what it counted

    def __enter__(self) -> "Forge":
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> dict:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def ask(self, **request: object) -> dict:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def start(self, *words: object, **how: object) -> int:
        """Begin `ytaudio WORDS` and give its process id.

        Of `how`: `environment` is added to the process's own, `watched` is a folder, `die_at` the number of the moment
        (an opened, renamed, made or removed path in it, or an fsync) before which the run sends itself `signal`, and
        `largest_file` a limit in bytes.
        """
        self._runs += 1
        out = str(self._place / f"run{self._runs}")
        self._last = self.ask(do="run", words=[str(word) for word in words], out=out, **how)["pid"]
        self._outs[self._last] = out
        return self._last

    def wait(self, child: int | None = None) -> Ended:
        """Wait for a run, the one that was begun last unless another is named."""
        child = child or self._last
        answer = self.ask(do="wait", pid=child)
        counted = Path(f"{self._outs[child]}.moments")
        moments = int(counted.read_text()) if counted.exists() else 0
        return Ended(answer["code"], answer["stdout"], answer["stderr"], moments)

    def run(self, *words: object, **how: object) -> Ended:
        """`ytaudio WORDS` from beginning to end."""
        self.start(*words, **how)
        return self.wait()


def _mount(folder: str, flags: int, options: str, kind: bytes | None = b"tmpfs") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", folder.encode(), kind, flags, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")


def _enter_room(folder: str) -> None:
    """Mount a file system in memory, as root of a user namespace where this user is not root already.

    Raises:
        OSError: the machine does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    elif libc.unshare(CLONE_NEWNS) == 0:  # root, where users may not make namespaces of their own
        _mount("/", MS_REC | MS_PRIVATE, "", kind=None)
    else:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount(folder, 0, f"size={ROOM_BYTES}")


def _die_at(moment: int, number: int, watched: str, count: str) -> None:
    """Send this process a signal before its `moment`-th change of the folder; at its own end write how many it saw."""
    lived = 0

    def note(event: str, arguments: tuple) -> None:
        nonlocal lived
        if event not in EVENTS or not str(arguments[0]).startswith(watched):
            return
        if event == "open" and arguments[1] is not None and not set(str(arguments[1])) & set("wax+"):
            return
        step()

    def step() -> None:
        nonlocal lived
        if lived == moment:
            os.kill(os.getpid(), number)
        lived += 1

    def fsync(descriptor: int, really=os.fsync) -> None:
        step()
        really(descriptor)

    def leave(code: int, really=os._exit) -> None:
        Path(count).write_text(str(lived))
        really(code)

    sys.addaudithook(note)
    os.fsync, os._exit = fsync, leave


def _child(request: dict, *outputs: int) -> None:
    """The command itself, in a fork, with its stdout and stderr into these pipes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, pipe in enumerate(outputs, 1):
        os.dup2(pipe, number)
    os.environ.update(request.get("environment") or {})
    if largest := request.get("largest_file"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    if watched := request.get("watched"):
        _die_at(request.get("die_at", -1), request.get("signal", signal.SIGKILL), watched, f"{request['out']}.moments")
    from ytaudio.cli import main

    sys.argv = ["ytaudio", *request["words"]]
    code: object = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _serve() -> None:
    """Read requests until there are no more."""
    pipes: dict[int, list[int]] = {}  # of each run, by its process id
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict = {}
        if request["do"] == "run":
            (out, into_out), (err, into_err) = os.pipe(), os.pipe()
            child = os.fork()
            if not child:
                _child(request, into_out, into_err)
            pipes[child] = [out, err]
            os.close(into_out)
            os.close(into_err)
            answer = {"pid": child}
        elif request["do"] == "wait":
            texts = []
            for pipe in pipes.pop(request["pid"]):  # a run says little: no pipe is ever full
                with os.fdopen(pipe) as said:
                    texts.append(said.read())
            code = os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])
            answer = {"code": code, "stdout": texts[0], "stderr": texts[1]}
        elif request["do"] == "call":
            answer = {"value": getattr(Room, request["name"])(*request["arguments"])}
        print(json.dumps(answer), flush=True)


class Room:
    """What a test asks of the file system in memory, which only the warm process and its children see."""

    @staticmethod
    def ballast(folder: str, left: int) -> int:
        """Fill the file system until so many bytes are left; a negative number empties it of ballast."""
        ballast = Path(folder) / "ballast"
        ballast.unlink(missing_ok=True)
        if left >= 0:
            about = os.statvfs(folder)
            with ballast.open("wb") as file, contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, about.f_bavail * about.f_frsize - left))
        about = os.statvfs(folder)
        return about.f_bavail * about.f_frsize

    @staticmethod
    def read_only(folder: str, locked: int) -> None:
        """Mount the file system so that nothing can be written, or so that it can again."""
        _mount(folder, MS_REMOUNT | (MS_RDONLY if locked else 0), f"size={ROOM_BYTES}")

    @staticmethod
    def files(folder: str) -> dict[str, str]:
        """Path to SHA-256 of every file."""
        return digests(Path(folder))

    @staticmethod
    def text(path: str) -> str:
        """A file's text; "" if it is not there."""
        return Path(path).read_text() if Path(path).exists() else ""

    @staticmethod
    def remove(folder: str) -> None:
        """Remove a folder."""
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def digests(folder: Path) -> dict[str, str]:
    """Path to SHA-256 of every file in a folder."""
    import hashlib

    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    """Import everything, say so, and serve."""
    sys.path.pop(0)  # this folder, which holds no modules of the command
    ready = True
    if "--room" in sys.argv:
        try:
            _enter_room(sys.argv[sys.argv.index("--room") + 1])
        except OSError:
            ready = False
    import rich.progress
    import rich.table
    import yt_dlp

    import ytaudio.building
    import ytaudio.cli
    import ytaudio.sources

    yt_dlp.YoutubeDL({"quiet": True}).get_info_extractor("Youtube")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):  # imports what is imported late
        rich.print(rich.table.Table("split"))
        ytaudio.cli.app(["--version"])
    print(json.dumps({"ready": ready}), flush=True)
    _serve()


if __name__ == "__main__":
    main()
