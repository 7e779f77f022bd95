"""Git LFS: which files are large, the batch answer, the upload and its verification; and what .gitignore leaves out."""

import hmac
import re
import time
from collections.abc import Sequence
from fnmatch import fnmatch, fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from ytaudio.localhub.errors import HubError, bad_request
from ytaudio.localhub.objects import is_sha256
from ytaudio.localhub.repo import Repo
from ytaudio.localhub.web import Call, answer, web_prefix

REGULAR_MAX = 10 << 20  # bytes; larger files are large files whatever they hold
_BLOCK = 1 << 20  # bytes written at a time
_LINK_LIFE_S = 24 * 3600
_LARGE_ENDINGS = (
    ("7z", "arrow", "bin", "bz2", "ckpt", "ftz", "gz", "h5", "joblib", "lfs.*", "lz4", "mds", "mlmodel", "model"),
    ("msgpack", "npy", "npz", "onnx", "ot", "parquet", "pb", "pickle", "pkl", "pt", "pth", "rar", "safetensors"),
    ("tar.*", "tar", "tflite", "tgz", "wasm", "xz", "zip", "zst", "pcm", "sam", "raw", "aac", "flac", "mp3", "ogg"),
    ("wav", "bmp", "gif", "png", "tiff", "jpg", "jpeg", "webp", "mp4", "webm"),
)
_LARGE_PATTERNS = [*(f"*.{ending}" for line in _LARGE_ENDINGS for ending in line), "*tfevents*", "saved_model/**/*"]
GITATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LARGE_PATTERNS).encode()


def large_patterns(gitattributes: str) -> list[str]:
    """The patterns a .gitattributes sends to LFS."""
    lines = (line.split() for line in gitattributes.splitlines() if not line.lstrip().startswith("#"))
    return [words[0] for words in lines if "filter=lfs" in words[1:]]


def is_large(path: str, size: int, sample: bytes, patterns: list[str]) -> bool:
    """Whether a file goes through LFS: by its size, by the repo's patterns, or because its first bytes are no text."""
    if size == 0:
        return False
    name = path.rsplit("/", 1)[-1]
    listed = any(fnmatch(path if "/" in pattern else name, pattern) for pattern in patterns)
    return size > REGULAR_MAX or listed or not is_text(sample)


def is_text(sample: bytes) -> bool:
    """Whether a file's first bytes are UTF-8 text; the last character may be cut."""
    if b"\0" in sample:
        return False
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start > len(sample) - 4
    return True


def is_ignored(path: str, gitignore: str) -> bool:
    """Whether a .gitignore (its rules as in gitignore(5)) leaves a path out; the last rule that matches wins."""
    ignored = False
    parts = path.split("/")
    for line in gitignore.splitlines():
        rule = line.rstrip()
        if not rule or rule.startswith("#"):
            continue
        kept, rule = rule.startswith("!"), rule.lstrip("!")
        if _matches(_rule_parts(rule), parts, folder=rule.endswith("/")):
            ignored = not kept
    return ignored


@lru_cache(maxsize=4096)
def _rule_parts(rule: str) -> tuple[str, ...]:
    """A rule as patterns of fnmatch's, one a folder, `**` standing for any number of them."""
    parts = tuple(re.sub(r"\\(.)", r"[\1]", part) for part in rule.strip("/").split("/"))
    return parts if "/" in rule.rstrip("/") else ("**", *parts)


def _matches(rule: Sequence[str], parts: Sequence[str], *, folder: bool) -> bool:
    """Whether a rule matches a path or a folder above it: all ends at once, for stars tried one by one never end."""
    ends = {0}  # how many of the path's parts what came so far of the rule may stand for
    for number, part in enumerate(rule):
        if part == "**":
            least = min(ends) + (number == len(rule) - 1)
            ends = set(range(least, len(parts) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(parts) and fnmatchcase(parts[end], part)}
        if not ends:
            return False
    return any(end < len(parts) for end in ends) if folder else True


def batch(call: Call) -> Response:
    """POST /[kinds/]{id}.git/info/lfs/objects/batch: where to upload what is not here yet, where to read what is."""
    request = call.json()
    uploading = request.get("operation") != "download"
    repo = call.repo()
    if uploading:
        call.signed_in()  # whoever may read may open a pull request, and a large file does not say what it is for
    objects = request.get("objects")
    if not isinstance(objects, list) or len(objects) > 10_000:
        raise bad_request("A batch needs a list of objects.")
    answers = []
    for item in objects:
        oid, size = _checked(item)
        known = repo.has_large(oid) and call.store.objects.size(oid) is not None
        if uploading:
            answers.append({"oid": oid, "size": size} | ({} if known else {"actions": _upload(call, oid, size)}))
        elif known:
            href = f"{call.base}/-/lfs/{repo.kind}s/{repo.id}/{oid}"
            header = {"Authorization": call.request.headers.get("authorization", "")}
            answers.append({"oid": oid, "size": size, "actions": {"download": {"href": href, "header": header}}})
        else:
            answers.append({"oid": oid, "size": size, "error": {"code": 404, "message": "Object does not exist"}})
    return answer({"transfer": "basic", "objects": answers, "hash_algo": "sha256"})


def _checked(item: Any) -> tuple[str, int]:
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not is_sha256(oid) or type(size) is not int or size < 0:
        raise HubError(422, "An object needs a SHA-256 in 'oid' and a number of bytes in 'size'.")
    return str(oid), size


def _upload(call: Call, oid: str, size: int) -> dict[str, Any]:
    repo = call.repo()
    place, until = f"{repo.kind}s/{repo.id}/{oid}", int(time.time()) + _LINK_LIFE_S
    signature = call.accounts.sign(f"{place} {size} {until}")
    prefix = web_prefix(repo.kind)
    return {
        "upload": {"href": f"{call.base}/-/lfs/{place}?size={size}&until={until}&signature={signature}"},
        "verify": {"href": f"{call.base}/{prefix}{repo.id}.git/info/lfs/verify"},
    }


async def receive(call: Call) -> Response:
    """PUT to the address the batch answer gave, itself the permission: the content, checked by size and hash."""
    path = call.path
    place = f"{path['kinds']}/{path['namespace']}/{path['name']}/{path['oid']}"
    query = {key: values[0] for key, values in parse_qs(call.request.url.query).items()}
    size, until = query.get("size", ""), query.get("until", "")
    expected = call.accounts.sign(f"{place} {size} {until}")
    signed = hmac.compare_digest(expected.encode(), query.get("signature", "").encode())
    if not signed or int(until) < time.time():
        raise HubError(403, "This upload address is not valid, or no longer.")
    repo = call.store.find(call.kind, f"{path['namespace']}/{path['name']}")
    if repo is None:
        raise HubError(404, "The repo this upload was for is gone.")
    with call.store.objects.receive(path["oid"], int(size)) as upload:
        waiting = bytearray()
        async for block in call.request.stream():
            waiting += block
            if len(waiting) >= _BLOCK:
                await run_in_threadpool(upload.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(upload.write, bytes(waiting))
        await run_in_threadpool(upload.finish)
    await run_in_threadpool(_note, call, repo, path["oid"])
    return Response(status_code=200, headers={"ETag": f'"{path["oid"]}"'})


def _note(call: Call, repo: Repo, oid: str) -> None:
    with call.store.changing(repo):  # it may have been deleted or moved while the content came in
        repo.note_large(oid)


def download(call: Call) -> Response:
    """GET the content of a large file by its hash, for Git's LFS client."""
    repo = call.repo()
    if not repo.has_large(call.path["oid"]):
        raise HubError(404, "Object does not exist")
    return FileResponse(call.store.objects.path(call.path["oid"]), media_type="application/octet-stream")


def verify(call: Call) -> Response:
    """POST /[kinds/]{id}.git/info/lfs/verify: whether an upload arrived whole."""
    call.signed_in()
    oid, size = _checked(call.json())
    if not call.repo().has_large(oid) or call.store.objects.size(oid) != size:
        raise HubError(404, "This object was not uploaded.")
    return answer({"message": "Verified"})
