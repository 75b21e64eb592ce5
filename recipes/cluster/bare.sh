#!/usr/bin/env bash
# A Ray cluster on machines that you reach with ssh, without a scheduler.
#
#   bare.sh start [HOST ...]     start the head on this machine, and a node on each HOST
#   bare.sh run RECIPE [OPTION ...]
#                                run promptcot on the cluster, with these options
#   bare.sh status
#   bare.sh stop [HOST ...]      stop Ray on the HOSTs and here, even if others started it
#
# All machines must see this folder at the same path, with the virtual environment VENV in it (.venv, or an absolute path
# that is valid on all of them), and the weights. The output is written on this machine. HEAD_IP is the address at which
# the others reach this machine; PORT is the port of the head.
set -euo pipefail

VENV=${VENV:-.venv}
PORT=${PORT:-6379}
HEAD_IP=${HEAD_IP:-$(hostname -I | awk '{print $1}')}
export RAY_usage_stats_enabled=0   # Ray sends no usage reports
# Anyone who can reach Ray's ports can run code. In a shared network set RAY_AUTH_MODE=token, after
# `ray get-auth-token --generate` and copying ~/.ray/auth_token to each machine.
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-disabled}

case $VENV in
/*) bin=$VENV/bin ;;
*) bin=$PWD/$VENV/bin ;;
esac

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
    exit 2
}

on() {
    local host=$1
    shift
    ssh -o BatchMode=yes "$host" "cd $(printf %q "$PWD") && RAY_AUTH_MODE=$RAY_AUTH_MODE RAY_usage_stats_enabled=0 $*"
}

[ $# -gt 0 ] || usage
what=$1
shift
case $what in
start)
    "$bin/ray" start --head --node-ip-address="$HEAD_IP" --port="$PORT"
    for host in "$@"; do
        on "$host" "$(printf %q "$bin/ray")" start --address="$HEAD_IP:$PORT"
    done
    "$bin/ray" status --address "$HEAD_IP:$PORT"
    ;;
run)
    [ $# -gt 0 ] || usage
    exec "$bin/promptcot" run "$@" --ray-address "$HEAD_IP:$PORT"
    ;;
status)
    "$bin/ray" status --address "$HEAD_IP:$PORT"
    ;;
stop)
    for host in "$@"; do
        on "$host" "$(printf %q "$bin/ray")" stop || echo "$host: not stopped" >&2
    done
    "$bin/ray" stop
    ;;
*)
    usage
    ;;
esac
