#!/usr/bin/env bash
# A Slurm cluster on this machine: slurmctld, slurmd and munge, one node with 8 CPUs, 24 GB and four GPUs that are not.
# Meant for a container: it installs Debian's packages, writes /etc/slurm, and wants root.
#   cluster.sh install | up | down
set -euo pipefail

state=${REV2FWD_SLURM_STATE:-/var/lib/rev2fwd-slurm}
node=$(hostname -s)

install() {
    if command -v slurmctld slurmd munged >/dev/null; then
        return
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
}

configure() {
    mkdir -p /etc/slurm "$state"/{ctld,d} /run/munge
    chown munge: /run/munge
    cat >/etc/slurm/slurm.conf <<CONF
# rev2fwd test cluster
ClusterName=rev2fwd
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/d
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
KillWait=5
NodeName=$node NodeAddr=127.0.0.1 CPUs=8 RealMemory=24000 Gres=gpu:4 State=UNKNOWN
PartitionName=gpu Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
    # Any four character devices will do: the devices must exist, nothing opens them.
    printf 'NodeName=%s Name=gpu File=%s\n' "$node" /dev/null "$node" /dev/zero "$node" /dev/full "$node" /dev/random \
        >/etc/slurm/gres.conf
    echo 'CgroupPlugin=cgroup/v1' >/etc/slurm/cgroup.conf
}

up() {
    install
    if [ -e /etc/slurm/slurm.conf ] && ! grep -qs '^# rev2fwd test cluster' /etc/slurm/slurm.conf; then
        echo "error: /etc/slurm/slurm.conf belongs to a cluster of its own: not touched" >&2
        exit 1
    fi
    down
    configure
    su -s /bin/sh munge -c munged
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if sinfo -h -o %t 2>/dev/null | grep -q idle; then
            return
        fi
        sleep 0.5
    done
    echo "error: the node did not come up" >&2
    tail -n 20 "$state"/slurm*.log >&2
    exit 1
}

down() {
    for name in slurmd slurmctld; do
        if [ -e "$state/$name.pid" ]; then
            kill "$(cat "$state/$name.pid")" 2>/dev/null || true
        fi
    done
    if [ -e /run/munge/munged.pid ]; then
        kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true
    fi
    for _ in $(seq 40); do
        if ! pgrep -x slurmd >/dev/null && ! pgrep -x slurmctld >/dev/null && ! pgrep -x munged >/dev/null; then
            break
        fi
        sleep 0.25
    done
    rm -rf "$state"
    if grep -qs '^# rev2fwd test cluster' /etc/slurm/slurm.conf; then
        rm /etc/slurm/slurm.conf  # left there, every start of Snakemake would wait 10 s for a controller that is gone
    fi
}

"$1"
