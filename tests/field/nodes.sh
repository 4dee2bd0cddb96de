# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by tests in which rank 1 is on another machine, as far as it can tell: namespaces of its
# own. They need root; elsewhere the test is skipped.
need_namespaces() {
    unshare -m true 2>/dev/null && return
    echo "skipped: unshare needs root"
    exit 77
}

# two_nodes PREPARE COMMAND...: fills the array `nodes` with a command for two ranks, of which rank 1
# first runs PREPARE, in namespaces of its own for mounts and the host's name.
two_nodes() {
    local prepare=$1
    shift
    # shellcheck disable=SC2016
    nodes=("$mpiexec" -n 2 sh -c '
        prepare=$1
        shift
        [ "$PMI_RANK" != 0 ] || exec "$@"
        exec unshare -m -u sh -c "$prepare && exec \"\$@\"" sh "$@"' sh "$prepare" "$@")
}
