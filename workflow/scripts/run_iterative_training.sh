#!/usr/bin/env bash
# The iterative loop test -> collect -> finetune, as one call of Snakemake, which builds what is missing and no more.
#   bash workflow/scripts/run_iterative_training.sh [arguments for Snakemake, such as -n]
# A variable set in the environment wins over the value written here.
set -euo pipefail

# =============================================================================
# Configuration (edit these variables)
# =============================================================================
MAX_ITERATIONS=${MAX_ITERATIONS:-10}           # Test-finetune iterations
STEPS_PER_ITER=${STEPS_PER_ITER:-5000}         # Training steps per finetuning iteration
MAX_CYCLES=${MAX_CYCLES:-50}                   # Maximum A->B cycles per alternating test
HORIZON=${HORIZON:-400}                        # Maximum steps per task attempt
BATCH_SIZE=${BATCH_SIZE:-32}                   # Training batch size

# Thresholds for success detection
HEIGHT_THRESHOLD=${HEIGHT_THRESHOLD:-0.15}     # Minimum object z-position to consider lifted [m]
DISTANCE_THRESHOLD=${DISTANCE_THRESHOLD:-0.05} # Maximum distance from target for success [m]

# Policy directories; iteration n lies in iter<n> inside
POLICY_A_DIR=${POLICY_A_DIR:-runs/diffusion_A_circle}
POLICY_B_DIR=${POLICY_B_DIR:-runs/diffusion_B_circle}

# Original training data; what follows the task's letter names the experiment
DATA_A=${DATA_A:-data/A_circle.npz}
DATA_B=${DATA_B:-data/B_circle.npz}
# =============================================================================

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
snakemake=${SNAKEMAKE:-.venv-engine/bin/snakemake}

name=${DATA_A#data/A_}
name=${name%.npz}
require() { # require VARIABLE EXPECTED
    if [ "${!1%/}" != "$2" ]; then
        printf 'error: %s does not belong to the experiment `%s` that DATA_A=%s names\n' "$1" "$name" "$DATA_A" >&2
        printf '  expected: %s\n  found:    %s\n' "$2" "${!1}" >&2
        printf '  do:       give all four paths the same name: data/{A,B}_NAME.npz, runs/diffusion_{A,B}_NAME\n' >&2
        exit 1
    fi
}
require DATA_A "data/A_$name.npz"
require DATA_B "data/B_$name.npz"
require POLICY_A_DIR "runs/diffusion_A_$name"
require POLICY_B_DIR "runs/diffusion_B_$name"
if ! command -v "$snakemake" >/dev/null; then
    printf 'error: no Snakemake at %s\n  do:       make setup, or name one with SNAKEMAKE=...\n' "$snakemake" >&2
    exit 1
fi

exec "$snakemake" "$@" --config \
    name="$name" \
    iterations="$MAX_ITERATIONS" \
    task="{height_threshold: $HEIGHT_THRESHOLD, distance_threshold: $DISTANCE_THRESHOLD}" \
    train="{finetune_steps: $STEPS_PER_ITER, batch_size: $BATCH_SIZE}" \
    rollout="{max_cycles: $MAX_CYCLES, max_episode_steps: $HORIZON}"
