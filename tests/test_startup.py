import gc

import pytest

from ytaudio.startup import without_collections


def test_the_collector_rests_inside_and_works_again_afterwards_whatever_happens():
    assert gc.isenabled()
    frozen = gc.get_freeze_count()  # what a verb run in this process before may have left
    with pytest.raises(ValueError), without_collections():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled() and gc.get_freeze_count() <= frozen
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled(), "who had it off keeps it off"
    finally:
        gc.enable()


def test_for_good_it_leaves_what_is_there_alone():
    gc.unfreeze()
    with without_collections(for_good=True):
        pass
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
