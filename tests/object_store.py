"""An object store on loopback and its fsspec file system: whole objects by PUT and GET, no append, no rename."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, unquote
from urllib.request import Request, urlopen

import fsspec

VARIABLE = "YTAUDIO_TEST_OBJECTS"


class Objects:
    """The server: a dict of objects, inside its `with` block found by this process and by those it starts."""

    def __init__(self, site_packages: Path) -> None:
        self.content: dict[str, bytes] = {}
        self.changed = threading.Condition()
        store = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True  # headers and body are two packets, and the second need not wait

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with store.changed:
                    store.content[unquote(self.path)[1:]] = body
                    store.changed.notify_all()
                self.answer(200, b"")

            def do_GET(self) -> None:
                name = unquote(self.path)[1:]
                if name == "?list":
                    return self.answer(200, json.dumps({k: len(v) for k, v in store.content.copy().items()}).encode())
                found = store.content.get(name)
                return self.answer(404, b"") if found is None else self.answer(200, found)

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Keep the tests' output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        about = site_packages / "object_store-1.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: object_store\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[fsspec.specs]\nobjects = object_store:ObjectStore\n")
        self.path = str(site_packages)
        paths = [self.path, str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.environment = {"PYTHONPATH": os.pathsep.join(paths), VARIABLE: url}

    def __enter__(self) -> "Objects":
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        sys.path.insert(0, self.path)  # which processes that multiprocessing spawns are given
        fsspec.register_implementation("objects", ObjectStore, clobber=True)
        return self

    def __exit__(self, *error: object) -> None:
        for name, value in self.before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        sys.path.remove(self.path)
        self.server.shutdown()
        self.server.server_close()

    def names(self, ending: str = "") -> list[str]:
        """The names of the objects so far."""
        return sorted(name for name in self.content.copy() if name.endswith(ending))


class ObjectStore(fsspec.AbstractFileSystem):
    """What fsspec needs of it; `mv`, `created` and the like stay as they are, which is unable."""

    protocol = "objects"
    cachable = False

    def _ask(self, name: str, body: bytes | None = None) -> bytes:
        request = Request(os.environ[VARIABLE] + quote(name, safe="/?"), body, method="GET" if body is None else "PUT")
        try:
            with urlopen(request) as answer:
                return answer.read()
        except OSError as error:
            if getattr(error, "code", 0) == 404:
                raise FileNotFoundError(name) from None
            raise

    def ls(self, path, detail=True, **options):
        path = self._strip_protocol(path).strip("/")
        found = {}
        for name, size in json.loads(self._ask("?list")).items():
            if name == path:
                found[name] = {"name": name, "size": size, "type": "file"}
            elif name.startswith(f"{path}/") or not path:
                child = name[len(path) :].lstrip("/").split("/")[0]
                full = f"{path}/{child}".lstrip("/")
                kind = "file" if full == name else "directory"
                found[full] = {"name": full, "size": size if kind == "file" else 0, "type": kind}
        if not found:
            raise FileNotFoundError(path)
        return list(found.values()) if detail else sorted(found)

    def makedirs(self, path, exist_ok=False):
        """There are no folders."""

    def _open(self, path, mode="rb", **options):
        if mode == "rb":
            return BytesIO(self._ask(path))
        if mode != "wb":
            raise NotImplementedError(f"an object store cannot open an object with {mode}")
        return _Writer(self, path)

    def pipe_file(self, path, value, mode="overwrite", **options):
        self._ask(self._strip_protocol(path), value)

    def mv(self, *names, **options):
        raise NotImplementedError("an object store cannot rename")


class _Writer(BytesIO):
    def __init__(self, fs: ObjectStore, path: str) -> None:
        super().__init__()
        self._fs, self._path = fs, path

    def close(self) -> None:
        if not self.closed:
            self._fs._ask(self._path, self.getvalue())
        super().close()
