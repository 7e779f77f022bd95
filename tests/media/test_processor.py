import threading

from ytaudio.media.processor import decoding, waiting


def test_one_thread_decodes_at_a_time_and_another_may_while_it_waits():
    inside, order = threading.Semaphore(0), []

    def other():
        with decoding():
            order.append("other")
        inside.release()

    with decoding(), decoding():  # twice is once
        threading.Thread(target=other, daemon=True).start()
        assert not inside.acquire(timeout=0.05), "two decode at once"
        with waiting(), waiting():
            assert inside.acquire(timeout=5), "nobody may decode while this one waits"
        order.append("this")
    with waiting():  # of a thread that does not decode
        order.append("after")
    assert order == ["other", "this", "after"]


def test_a_failure_lets_go_of_the_processor():
    for way in (decoding, waiting):
        try:
            with decoding(), way():
                raise KeyError
        except KeyError:
            pass
    done = threading.Event()
    threading.Thread(target=lambda: decoding()(done.set)(), daemon=True).start()
    assert done.wait(5)
