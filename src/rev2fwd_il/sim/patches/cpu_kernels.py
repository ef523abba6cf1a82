"""Patch Warp's CPU code templates: a kernel's loop over its threads reads the kernel's arguments once.

Warp makes a function of a kernel and calls it for each thread. Every call copies the arguments anew, some twenty arrays
with their shapes and strides, since for all the compiler knows the last thread's results have overwritten them: more
work than what most kernels of a physics step compute. Inlined, and told that arguments and results do not overlap, the
compiler copies them before the loop. The arithmetic stays as it was, bit by bit.
"""

import warp as wp
from warp._src import codegen

from rev2fwd_il.running.patches import CPU_KERNELS as PATCH

# Warp takes kernels it has compiled before from its cache, by their source and flags: this one sets ours apart.
FLAGS = "-march=native -DREV2FWD_READ_ARGUMENTS_ONCE"
# Where, what stands there once, and what is put in its place
CHANGES = (
    ("cpu_kernel_template_forward", "\nvoid {name}", "\nstatic inline __attribute__((always_inline)) void {name}"),
    ("cpu_module_template_forward", "> *dim,", "> *__restrict__ dim,"),
    ("cpu_module_template_forward", "*_wp_args)", "*__restrict__ _wp_args)"),
)


def configure() -> None:
    """Set Warp up; call before any module with kernels is imported, when Warp settles whether it has gradients."""
    wp.config.enable_backward = False  # Isaac Lab's own programs do so; compiles in two thirds of the time
    if PATCH.fits() and _change_templates():
        wp.config.cpu_compiler_flags = FLAGS


def is_active() -> bool:
    """Whether Warp generates CPU code from the changed templates."""
    return all(new in getattr(codegen, template, "") for template, _, new in CHANGES)


def _change_templates() -> bool:
    if is_active():
        return True
    before = {template: getattr(codegen, template, "") for template, _, _ in CHANGES}
    after = dict(before)
    for template, old, new in CHANGES:
        if after[template].count(old) != 1:
            PATCH.fall_back(f"Warp's {template} does not hold {old.strip()!r} once")
            return False
        after[template] = after[template].replace(old, new)
    for template, code in after.items():
        setattr(codegen, template, code)
    return True
