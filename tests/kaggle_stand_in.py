"""Kaggle's API of datasets on loopback, for the unmodified kagglehub client.

kagglehub takes no address of its own, only one of its environments: LOCALHOST is http://localhost on port 80. The
stand-in is the HTTP proxy for that name, which leaves the port free to choose.
"""

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

API = "/api/v1/datasets.DatasetApiService/"


def zipped(files: dict[str, bytes]) -> bytes:
    """An archive of these files, as Kaggle sends all files of a dataset."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Kaggle(ThreadingHTTPServer):
    """Datasets, each a list of versions, each its files; `archives` and `refusals` change what is answered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.datasets: dict[str, list[dict[str, bytes]]] = {}  # OWNER/NAME to its versions, the first being 1
        self.archives: dict[str, bytes] = {}  # OWNER/NAME to what is sent instead of an archive of its files
        self.refusals: dict[str, int] = {}  # GetDataset, DownloadDataset or storage to the status it answers
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def environment(self, cache: Path) -> dict[str, str]:
        """What leads kagglehub here, with a cache of its own and nobody's credentials."""
        here = f"http://127.0.0.1:{self.server_address[1]}"
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLEHUB_CACHE": str(cache),
            "KAGGLE_CONFIG_DIR": str(cache / "no-credentials"),
            **dict.fromkeys(("HTTP_PROXY", "http_proxy"), here),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1"),
        }

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Kaggle

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = urlsplit(self.path).path.removeprefix(API)
        name = f"{body['ownerSlug']}/{body['datasetSlug']}"
        self.server.asked.append(call)
        versions = self.server.datasets.get(name, [])
        if call in self.server.refusals:
            return self._refuse(self.server.refusals[call])
        if call == "GetDataset" and versions:
            return self._send(200, json.dumps({"currentVersionNumber": len(versions)}).encode())
        number = body.get("datasetVersionNumber", 0)
        if call == "DownloadDataset" and 1 <= number <= len(versions):
            file = body.get("fileName")
            if not file or file in versions[number - 1]:
                place = f"http://localhost/storage/{name}/{number}/{file or 'archive.zip'}"
                return self._send(302, b"", {"Location": place})
        return self._refuse(404)

    def do_GET(self) -> None:
        owner, name, number, file = unquote(urlsplit(self.path).path).removeprefix("/storage/").split("/", 3)
        self.server.asked.append(file)
        if "storage" in self.server.refusals:
            return self._refuse(self.server.refusals["storage"])
        files = self.server.datasets[f"{owner}/{name}"][int(number) - 1]
        if file == "archive.zip":
            return self._send(200, self.server.archives.get(f"{owner}/{name}") or zipped(files))
        return self._send(200, files[file])

    def _refuse(self, status: int) -> None:
        self._send(status, json.dumps({"code": status, "message": "refused | <b>by</b> the stand-in"}).encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        kind = "application/json" if self.command == "POST" else "application/octet-stream"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
