import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytaudio.manners import CALM, Limiter, Manners, Walls
from ytaudio.media import Failure, Reason

WALL = Failure("", Reason.BOT_CHECK, "not a bot")


def test_pauses_double_and_last_as_long_as_patience():
    assert Manners().pauses_s() == (30.0, 60.0, 120.0, 240.0)
    assert Manners(patience_s=0.0).pauses_s() == ()
    assert Manners(patience_s=100.0).pauses_s() == (30.0, 60.0, 10.0)


@given(st.floats(0, 1e6))
def test_pauses_never_shrink_but_for_the_last_and_sum_up_to_patience(patience_s):
    pauses = Manners(patience_s=patience_s).pauses_s()
    assert sum(pauses) == pytest.approx(patience_s)
    assert list(pauses[:-1]) == sorted(pauses[:-1])


def test_walls_in_a_row_end_the_run_after_the_last_pause():
    walls = Walls(Manners(patience_s=90.0))
    assert [walls.pause_s(WALL) for _ in range(3)] == [30.0, 60.0, None]


def test_a_few_answers_between_two_walls_do_not_make_the_second_one_the_first():
    walls = Walls(Manners(patience_s=90.0))
    walls.pause_s(WALL)
    walls.answered()
    assert walls.pause_s(WALL) == 60.0
    for _ in range(CALM):
        walls.answered()
    assert walls.pause_s(WALL) == 30.0


def test_a_site_that_names_its_waiting_time_gets_it():
    walls = Walls(Manners(patience_s=450.0))
    assert walls.pause_s(Failure("", Reason.RATE_LIMITED, "429", retry_after_s=200.0)) == 200.0
    assert walls.pause_s(Failure("", Reason.RATE_LIMITED, "429", retry_after_s=1.0)) == 60.0
    assert walls.pause_s(Failure("", Reason.RATE_LIMITED, "429", retry_after_s=3600.0)) is None


def test_patience_is_all_that_is_waited_whatever_a_site_asks_for():
    walls = Walls(Manners(patience_s=450.0))
    asking = Failure("", Reason.RATE_LIMITED, "429", retry_after_s=200.0)
    assert [walls.pause_s(asking) for _ in range(3)] == [200.0, 200.0, None]
    assert walls.pause_s(WALL) == 50.0 and walls.pause_s(WALL) is None


def test_visits_begin_apart_by_lengths_that_vary_around_the_one_asked_for():
    now = 0.0
    limiter = Limiter(10.0, seed=1, clock=lambda: now)
    assert limiter.wait_s() == 0.0, "the first one waits for nothing"
    waits = []
    for _ in range(300):
        limiter.begin()
        waits.append(limiter.wait_s())
        now += waits[-1]
        assert limiter.wait_s() == pytest.approx(0.0, abs=1e-9)
    assert min(waits) >= 5.0 and max(waits) <= 15.0 and len(set(waits)) > 290
    assert sum(waits) / len(waits) == pytest.approx(10.0, rel=0.1)
