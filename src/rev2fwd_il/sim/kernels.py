"""How Warp compiles kernels for a CPU: without gradients, and as a loop that reads its arguments once.

Warp makes a function of a kernel and calls it for each thread. Every call copies the arguments anew, some twenty arrays
with their shapes and strides, since for all the compiler knows the last thread's results have overwritten them: more
work than what most kernels of a physics step compute. Inlined, and told that arguments and results do not overlap, the
compiler copies them before the loop. The arithmetic stays as it was, bit by bit.
"""

import warp as wp
from warp._src import codegen

# Warp takes kernels it has compiled before from its cache, by their source and flags: this one sets ours apart.
FLAGS = "-march=native -DREV2FWD_READ_ARGUMENTS_ONCE"
INLINED = ("\nvoid {name}", "\nstatic inline __attribute__((always_inline)) void {name}")
APART = (("> *dim,", "> *__restrict__ dim,"), ("*_wp_args)", "*__restrict__ _wp_args)"))


def configure() -> None:
    """Do so from now on. Before any module with kernels is imported: then Warp settles whether it has gradients."""
    wp.config.enable_backward = False  # Isaac Lab's own programs do so; compiles in two thirds of the time
    wp.config.cpu_compiler_flags = FLAGS
    codegen.cpu_kernel_template_forward = codegen.cpu_kernel_template_forward.replace(*INLINED)
    for change in APART:
        codegen.cpu_module_template_forward = codegen.cpu_module_template_forward.replace(*change)
