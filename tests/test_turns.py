from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ytaudio.catalog import Video
from ytaudio.ledger import ClipRecord, Outcome
from ytaudio.media import Failure, Reason
from ytaudio.turns import Turn, furthest_behind, visiting_order

RECORD = ClipRecord(0, 0.0, 2.0, 32_000, -20.0, "0" * 64)


def video(number, category="food"):
    return Video(f"video{number:06d}", f"https://youtu.be/video{number:06d}", "", "", category)


def outcome(one, good):
    clips, failure = ((RECORD,), None) if good else ((), Failure(one.id, Reason.REMOVED, "gone"))
    return Outcome(one.id, one.category, one.url, "", "", 60.0, clips, failure, 0, 0.0)


def run(videos, good, wanted, known, threads, choose):
    """Visit as collect does, `threads` at a time and in an order of finishing that `choose` makes up."""
    turn, under_way, visited = Turn(videos, lambda one: known.get(one.id), wanted), [], []
    while True:
        while len(under_way) < threads and (one := turn.next()):
            under_way.append(one)
        if not under_way:
            return visited, known
        one = under_way.pop(choose(len(under_way)))
        if choose(5) == 0 and one not in visited:
            visited.append(one)  # a wall: not answered, and once only
            turn.back(one)
            continue
        known[one.id] = outcome(one, good[videos.index(one)])
        turn.done(known[one.id])


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 10), st.integers(1, 6), st.data())
def test_what_is_visited_is_the_shortest_sufficient_beginning_whatever_was_known_before(good, wanted, threads, data):
    videos = [video(n) for n in range(len(good))]
    before = {one.id: outcome(one, good[n]) for n, one in enumerate(videos) if data.draw(st.booleans())}
    _, known = run(videos, good, wanted, dict(before), threads, lambda n: data.draw(st.integers(0, n - 1)))
    needed = next((n + 1 for n in range(len(good)) if sum(good[: n + 1]) == wanted), len(good))
    assert {one.id for one in videos[:needed]} | set(before) == set(known)


def test_the_category_furthest_behind_goes_first():
    order = visiting_order([video(n, "food") for n in range(4)] + [video(n + 9, "travel") for n in range(4)], 0)
    known = {one.id: outcome(one, True) for one in order["food"][:2]}
    turns = {category: Turn(videos, lambda one: known.get(one.id), None) for category, videos in order.items()}
    drawn = [furthest_behind(turns).category for _ in range(6)]
    assert Counter(drawn) == {"travel": 4, "food": 2} and Counter(drawn[:4])["travel"] >= 3
    assert furthest_behind(turns) is None


def test_the_order_is_the_seeds_and_a_longer_catalogue_keeps_it():
    videos = [video(n, "food" if n % 2 else "travel") for n in range(20)]
    whole, part = visiting_order(videos, 0), visiting_order(videos[::3], 0)
    assert visiting_order(videos[::-1], 0) == whole
    assert visiting_order(videos, 1) != whole
    for category, queue in part.items():
        assert queue == [one for one in whole[category] if one in queue]


def test_a_video_that_was_not_answered_stays_the_next_one():
    videos = [video(n) for n in range(3)]
    turn = Turn(videos, lambda one: None, 2)
    first = turn.next()
    turn.back(first)
    assert turn.next() is first
    turn.done(replace(outcome(first, False)))
    assert [turn.next(), turn.next(), turn.next()] == [videos[1], videos[2], None]
