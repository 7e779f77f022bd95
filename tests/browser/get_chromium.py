"""Find a Chromium for the browser tests, or install one: `python tests/browser/get_chromium.py`.

It never fails: where none can be had it says why, and the browser tests are skipped with that reason.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PLACES = "chromium-*/chrome-linux*/chrome"  # in Playwright's own cache


def find() -> str | None:
    """The path of a Chromium: CHROMIUM's, one on PATH, or the one that Playwright has downloaded."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    return next(filter(None, map(shutil.which, NAMES)), None) or next(map(str, sorted(cache.glob(PLACES))), None)


def install() -> None:
    """Let Playwright download one; where it cannot and this is root's machine, take the distribution's package."""
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
        commands += [[*quiet, "update"], [*quiet, "install", "-y", "--no-install-recommends", "chromium"]]
    for command in commands:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()
            print(f"{' '.join(command[:4])}: {words[0][:200] if words else done.returncode}")
        if find():
            return


if __name__ == "__main__":
    if not find():
        install()
    print(f"browser tests: {find() or 'no Chromium here and none could be installed, so they are skipped'}")
