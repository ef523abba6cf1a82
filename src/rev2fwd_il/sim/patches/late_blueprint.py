"""Patch Rerun's server for a browser: the viewer's layout is sent once the server runs, not while it starts.

`rerun.serve_grpc` holds Python's lock while it waits until the layout it was given has been passed on; the server's
thread that passes it on frees NumPy's memory afterwards and needs that lock for it. So now and then both wait for ever.
"""

import functools

import rerun

from rev2fwd_il.running.patches import LATE_BLUEPRINT as PATCH

_served: set[str] = set()  # addresses of servers that were started through the patch


def send_blueprint_late() -> None:
    """Replace `rerun.serve_grpc` in this process."""
    if hasattr(rerun.serve_grpc, "__wrapped__") or not PATCH.fits():
        return
    serve_grpc = rerun.serve_grpc

    @functools.wraps(serve_grpc)
    def serve_then_send(*, default_blueprint=None, recording=None, **options) -> str:
        address = serve_grpc(recording=recording, **options)
        if default_blueprint is not None:
            rerun.send_blueprint(default_blueprint, make_active=False, recording=recording)
        _served.add(address)
        return address

    rerun.serve_grpc = serve_then_send


def confirm() -> None:
    """To be called when the viewer has started: say so where it has not been served through the patch."""
    if not _served:
        PATCH.fall_back("the viewer was started without rerun.serve_grpc")
