"""The verb that shows models in a browser."""

from importlib.util import find_spec

from ytaudio import options
from ytaudio.errors import UserError

_NO_GRADIO = 'The demo\'s page needs gradio, which is not installed here: pip install "ytaudio[demo]".'


def demo(
    model: options.Models,
    port: options.Port = 7860,
    host: options.Host = "127.0.0.1",
    examples: options.Examples = True,
    trust_remote_code: options.Trust = False,
    allow_private_hosts: options.AllowPrivateHosts = False,
) -> None:
    """Ask models in the browser, on this machine. The page is the one that `push space` publishes."""
    if find_spec("gradio") is None:
        raise UserError(_NO_GRADIO)
    from ytaudio.printing import say
    from ytaudio.startup import without_collections

    with without_collections(for_good=True):
        from ytaudio.space.local import free_port, serve
        from ytaudio.spaces import prepare

        port = free_port(host, port)  # before models are loaded for nothing
        prepared = prepare(model, trust_remote_code=trust_remote_code, examples=examples)
    say(*prepared.notes)
    serve(prepared.demo, prepared.write, host, port, allow_private_hosts=allow_private_hosts)
