"""`python -m ytaudio.cli` is the `ytaudio` command."""

from ytaudio.cli import main

main()
