import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ytaudio.training.energy import Meter


def zone(root: Path, folder: str, name: str, uj: int, wraps_at: int = 262_143_328_850) -> Path:
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "name").write_text(f"{name}\n")
    (place / "energy_uj").write_text(f"{uj}\n")
    (place / "max_energy_range_uj").write_text(f"{wraps_at}\n")
    return place / "energy_uj"


class NoDriver(Exception):
    pass


def gpus(*millijoules: int | None) -> SimpleNamespace:
    """What answers like pynvml, one GPU for each number; None for one without a counter."""
    state = list(millijoules)

    def spent(handle: int) -> int:
        if state[handle] is None:
            raise NoDriver
        return state[handle]

    def count() -> int:
        if not state:
            raise NoDriver
        return len(state)

    return SimpleNamespace(
        state=state,
        NVMLError=NoDriver,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=count,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetTotalEnergyConsumption=spent,
    )


def test_packages_and_memory_are_summed_and_what_lies_within_or_around_them_is_not(tmp_path):
    counted = [
        zone(tmp_path, "intel-rapl:0", "package-0", 5),
        zone(tmp_path, "intel-rapl:1", "package-1", 5),
        zone(tmp_path, "intel-rapl:0:1", "dram", 5),
    ]
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 5),
        zone(tmp_path, "intel-rapl:2", "psys", 5),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 5),
    ]
    with Meter(tmp_path, gpus()) as meter:
        for path in (*counted, *others):
            path.write_text(str(5 + 3_600_000_000))
    assert meter.wh == pytest.approx(3.0)
    assert meter.source == "CPU, memory"


def test_a_counter_that_wraps_goes_on(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000_000, wraps_at=10_000_000_000)
    meter = Meter(tmp_path, gpus()).start()
    for shown in (1_000_000_000, 8_000_000_000, 500_000_000):  # 2, 7 and 2.5 kJ later
        counter.write_text(str(shown))
        meter.sample()
    assert meter.stop() == pytest.approx(11.5 / 3.6)


def test_a_long_work_is_read_in_between(tmp_path):
    """Two wraps that no one saw would be lost; the meter reads by itself."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0, wraps_at=4_000)
    read = threading.Event()

    class Watched(Meter):
        def sample(self) -> None:
            super().sample()
            read.set()

    with Watched(tmp_path, gpus(), poll_s=0.01) as meter:
        for shown in (3_000, 2_000, 1_000):  # 3, 3 and 3 mJ
            counter.write_text(str(shown))
            for _ in range(2):  # a reading may have begun before the writing
                read.clear()
                assert read.wait(10)
    assert meter.wh == pytest.approx(9_000 / 3.6e9)


def test_gpus_count_in_millijoules_and_one_without_a_counter_is_left_out(tmp_path):
    cards = gpus(1_000, None, 7_000)
    with Meter(tmp_path, cards) as meter:
        cards.state[:] = [1_000 + 3_600_000, None, 7_000 + 1_800_000]
    assert meter.wh == pytest.approx(1.5)
    assert meter.source == "GPU"


def test_nothing_is_made_up_where_nothing_can_be_read(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    counter.unlink()
    counter.mkdir()  # cannot be read, whoever asks
    with Meter(tmp_path, gpus()) as meter:
        assert meter.wh is None
    assert (meter.stop(), meter.source) == (None, "")
    with Meter(tmp_path / "none", gpus()) as meter:
        pass
    assert meter.wh is None


def test_this_machine_tells_a_figure_or_none():
    with Meter() as meter:
        sum(range(10_000))
    assert meter.wh is None or meter.wh >= 0


def test_a_second_stretch_begins_from_nothing(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = Meter(tmp_path, gpus())
    for total in (3_600_000_000, 2 * 3_600_000_000):
        meter.start()
        counter.write_text(str(total))
        assert meter.stop() == pytest.approx(1.0)
