"""Run README.md's own blocks, word for word, each in a shell of its own with `bash -eo pipefail`, in order.

A block runs if its fence says exactly ```bash or ```python; one that needs the outside has another fence and says so.
    readme_blocks.py --only 2       the second block alone (README's test command)
    readme_blocks.py --except 2     all others
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", default=[])
    parser.add_argument("--except", type=int, nargs="*", default=[], dest="but")
    options = parser.parse_args()
    for number, (language, block) in enumerate(FENCE.findall(README.read_text()), 1):
        if (options.only and number not in options.only) or number in options.but:
            continue
        command = ["bash", "-eo", "pipefail", "-c", block] if language == "bash" else [sys.executable, "-c", block]
        print(f"== README block {number}\n{block}", flush=True)
        began = time.monotonic()
        done = subprocess.run(command, cwd=README.parent, stdin=subprocess.DEVNULL, check=False)
        print(
            f"== README block {number}: exit status {done.returncode} after {time.monotonic() - began:.0f} s",
            flush=True,
        )
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
