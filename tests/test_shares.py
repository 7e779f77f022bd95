from ytaudio.shares import task_folder


def test_tasks_sort_by_their_rank(tmp_path):
    assert [task_folder(tmp_path, rank).name for rank in (0, 7, 11)] == ["00000", "00007", "00011"]
