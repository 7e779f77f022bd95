from ytaudio.drawing import as_png, new_figure, short_name


def test_a_name_is_one_short_line_and_no_mathematics():
    assert short_name("food") == "food"
    assert short_name("a\n\x1b b\t c") == "a b c"
    assert short_name("$x_1$ \\frac") == r"\$x_1\$ \\frac"
    assert short_name("x" * 40) == "x" * 27 + "…" and short_name("$" * 40, 3) == r"\$\$…"


def test_a_figure_is_the_same_file_each_time():
    pictures = []
    for _ in range(2):
        figure, axes = new_figure(2, 1, 3)
        axes[2].set_title(short_name("$ \\alpha$"))
        pictures.append(as_png(figure))
    assert len(axes) == 3 and pictures[0] == pictures[1] and pictures[0].startswith(b"\x89PNG\r\n\x1a\n")
