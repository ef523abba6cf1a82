"""Patch MuJoCo Warp's cone-Hessian kernel to visit only contacts in the CONE state (their friction is used up).

MuJoCo Warp visits all contacts for each element of the matrix, on a CPU even in a thread for each contact that there is
room for. One contact in hundreds is in that state; visiting the others took half of a step of 64 environments.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import warp as wp
from mujoco_warp._src.types import ConstraintState, vec5

from rev2fwd_il.running.patches import CONE_HESSIAN as PATCH

KERNEL = "_update_gradient_JTCJ_dense"
SLIPPING = int(ConstraintState.CONE)
CONTACT_ARRAYS = (
    *("contact_dist_in", "contact_includemargin_in", "contact_friction_in", "contact_dim_in"),
    *("contact_efc_address_in", "contact_worldid_in"),
)
SELECTED_BY = ("ctx_done_in", "efc_state_in", "naconmax_in", "nacon_in", *CONTACT_ARRAYS)


@dataclass
class Launches:
    """How many launches of the kernel went over the slipping contacts alone."""

    patched: int = 0


@contextlib.contextmanager
def only_slipping_contacts() -> Iterator[Launches]:
    """Launch the cone Hessian over the contacts that slip. An element sums the same contacts in the same order.

    Yields their count. Warns once if there was none.
    """
    launch, launches = wp.launch, Launches()

    def launch_over_slipping(kernel, dim, inputs=(), **options):
        if kernel.key == KERNEL:
            labels = [argument.label for argument in kernel.adj.args]
            given = dict(zip(labels, inputs, strict=False))
            if given.keys() >= {*SELECTED_BY, "nblocks_perblock", "dim_block"}:
                slipping = {name: wp.empty_like(given[name]) for name in (*CONTACT_ARRAYS, "nacon_in")}
                selected = [given[name] for name in SELECTED_BY]
                launch(_select, 1, selected, [*slipping.values()], device=options.get("device"))
                one_thread = {"nblocks_perblock": given["naconmax_in"], "dim_block": 1}  # for an element, which loops
                dim, inputs = (1, dim[1]), [*(given | slipping | one_thread).values()]
                launches.patched += 1
        return launch(kernel, dim, inputs, **options)

    if not PATCH.fits():
        yield launches
        return
    wp.launch = launch_over_slipping
    try:
        yield launches
    finally:
        wp.launch = launch
    if not launches.patched:
        PATCH.fall_back(f"MuJoCo Warp did not launch {KERNEL} with the arguments it is known by")


@wp.kernel
def _select(
    world_is_done: wp.array[bool],
    constraint_state: wp.array2d[int],
    contacts_max: int,
    num_contacts: wp.array[int],
    distance: wp.array[float],
    margin: wp.array[float],
    friction: wp.array[vec5],
    dimension: wp.array[int],
    constraints: wp.array2d[int],
    world: wp.array[int],
    slipping_distance: wp.array[float],
    slipping_margin: wp.array[float],
    slipping_friction: wp.array[vec5],
    slipping_dimension: wp.array[int],
    slipping_constraints: wp.array2d[int],
    slipping_world: wp.array[int],
    num_slipping: wp.array[int],
):
    """One thread copies, in their order, the contacts that slip in worlds that are not solved yet."""
    num_slipping[0] = 0
    for contact in range(min(num_contacts[0], contacts_max)):
        normal = constraints[contact, 0]
        if normal < 0 or world_is_done[world[contact]]:
            continue
        if constraint_state[world[contact], normal] != SLIPPING:
            continue
        at = num_slipping[0]
        slipping_distance[at] = distance[contact]
        slipping_margin[at] = margin[contact]
        slipping_friction[at] = friction[contact]
        slipping_dimension[at] = dimension[contact]
        slipping_world[at] = world[contact]
        for row in range(constraints.shape[1]):
            slipping_constraints[at, row] = constraints[contact, row]
        num_slipping[0] = at + 1
