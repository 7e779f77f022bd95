"""What a stretch of work took from the wall, in Wh, where the machine's own counters tell it; else nothing is said."""

import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType

POWERCAP = Path("/sys/class/powercap")
POLL_S = 30.0  # between readings; the shortest counter of a processor in use here wraps after some minutes
_UJ_PER_WH, _MJ_PER_WH = 3.6e9, 3.6e6
_Reading = dict[str, tuple[int, int]]  # counter to what it shows and where it wraps, 0 for never; both in its own unit


class Meter:
    """Energy of the processors, their memory and the GPUs between start and stop.

    Whatever else the machine did meanwhile is in it, and what has no counter (fans, disks, the power supply's losses)
    is not. Of several processes on a machine one should measure.

        with Meter() as meter:
            work()
        print(meter.wh, meter.source)

    Sources: powercap of the Linux kernel (Documentation/power/powercap), whose counters wrap and, since CVE-2020-8694,
    are often for root alone; NVML's nvmlDeviceGetTotalEnergyConsumption (Volta and later), through nvidia-ml-py.
    """

    def __init__(self, powercap: Path = POWERCAP, nvml: ModuleType | None = None, poll_s: float = POLL_S) -> None:
        """A meter that stands still.

        Args:
            powercap: the folder of the kernel's energy counters.
            nvml: the module pynvml, or what answers like it; None for the one that is installed, if any.
            poll_s: seconds between readings in between, which a counter must not wrap twice in.
        """
        self.wh: float | None = None  # so far; None where no counter can be read
        self._powercap, self._poll_s = powercap, poll_s
        self._nvml = nvml or _installed_nvml()
        self._last: _Reading = {}
        self._spent: dict[str, float] = {}  # Wh by counter
        self._ended = threading.Event()
        self._poller: threading.Thread | None = None
        self._reading = threading.Lock()

    @property
    def source(self) -> str:
        """Which counters the figure is from: "CPU", "CPU, memory", "GPU", ..., or "" where there are none."""
        return ", ".join(dict.fromkeys(name.split()[0] for name in sorted(self._spent)))

    def start(self) -> "Meter":
        """Begin to count, from nothing."""
        self._spent = {}
        self._last = self._read()
        self._spent = dict.fromkeys(self._last, 0.0)
        self.wh = 0.0 if self._last else None
        self._ended.clear()
        if self._last:
            self._poller = threading.Thread(target=self._poll, name="energy", daemon=True)
            self._poller.start()
        return self

    def stop(self) -> float | None:
        """End, and give the Wh spent since start; None where no counter can be read."""
        self._ended.set()
        if self._poller:
            self._poller.join()
            self._poller = None
            self.sample()
        return self.wh

    def __enter__(self) -> "Meter":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def sample(self) -> None:
        """Read the counters once and add what they have gone on by; one that has gone away stays as it was."""
        with self._reading:
            now = self._read()
            for name in self._last.keys() & now.keys():
                (before, _), (after, wraps_at) = self._last[name], now[name]
                gone = after - before
                if gone < 0:  # wrapped, or begun anew (a driver that was loaded again: what came before is lost)
                    gone = gone + wraps_at if wraps_at else after
                self._spent[name] += gone / (_MJ_PER_WH if name.startswith("GPU") else _UJ_PER_WH)
            self._last |= now
            self.wh = sum(self._spent.values()) if self._spent else None

    def _poll(self) -> None:
        while not self._ended.wait(self._poll_s):
            self.sample()

    def _read(self) -> _Reading:
        found = dict(_zones(self._powercap))
        if self._nvml:
            found |= dict(_gpus(self._nvml))
        return {name: reading for name, reading in found.items() if not self._spent or name in self._spent}


def _zones(powercap: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every processor package and its memory, in µJ.

    Its cores are within the package and `psys` is around it, so neither is counted beside it; `intel-rapl-mmio` shows
    the same package by another way.
    """
    for zone in sorted(powercap.glob("intel-rapl:*")):  # AMD's processors go by this name too
        try:
            name = (zone / "name").read_text().strip()
            counter = int((zone / "energy_uj").read_text())
            wraps_at = int((zone / "max_energy_range_uj").read_text())
        except (OSError, ValueError):  # for root alone, or not there
            continue
        if name.startswith("package") or name == "dram":
            yield f"{'CPU' if name != 'dram' else 'memory'} {zone.name}", (counter, wraps_at)


def _installed_nvml() -> ModuleType | None:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _gpus(nvml: ModuleType) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every GPU that has a counter, in mJ."""
    try:
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:  # no driver
        return
    for number in range(count):
        try:
            spent = nvml.nvmlDeviceGetTotalEnergyConsumption(nvml.nvmlDeviceGetHandleByIndex(number))
        except nvml.NVMLError:  # older than Volta, or not ours to read
            continue
        yield f"GPU {number}", (spent, 0)
