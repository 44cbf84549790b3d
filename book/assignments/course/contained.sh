#!/bin/sh
# Runs a command that sees no network, no home and no sockets, and writes only what is its own to write:
#
#     sh contained.sh nbgrader autograde ps1_low_rank_regression
#
# The settings, the sources and what was handed in can be read and not written. Needs Linux and bubblewrap.
set -euf

stop() {
    echo "contained.sh: $1" >&2
    exit 2
}

[ $# -gt 0 ] || stop "say what to run"
bwrap=$(command -v bwrap) || stop "there is no bwrap; install the package bubblewrap"
# Python, its environment, and the library if it is installed from a folder of its own.
places=$(python -I -c '
import sys
from importlib.util import find_spec
from pathlib import Path
if not find_spec("nbgrader"):
    sys.exit(f"nbgrader is not in {sys.prefix}")
print(sys.prefix)
print(sys.base_prefix)
if library := find_spec("lorabook"):
    print(Path(library.origin).parent)
') || stop "activate the environment, of venv or of conda, that has nbgrader"
environment=$(echo "$places" | head -n 1)

course=$(cd "$(dirname "$0")" && pwd -P)
program=$1
case "$1 ${2-}" in
    "nbgrader generate_assignment") writes="grades release" ;;
    "nbgrader zip_collect") writes="submitted downloaded" ;;
    "nbgrader autograde") writes="grades autograded cache" ;;
    "nbgrader generate_feedback") writes="grades feedback" ;;
    "nbgrader export") writes="grades export" ;;
    *) writes="grades" ;;
esac

# Options go in front of the command, the last first: what stands later covers what stood before.
set -- --chdir "$course" --unshare-all --new-session --die-with-parent -- "$@"
mkdir -p "$course/grades"
for folder in $writes; do
    mkdir -p "$course/$folder"
    set -- --bind "$course/$folder" "$course/$folder" "$@"
done
set -- --ro-bind "$course" "$course" "$@"
IFS='
'
for place in $places; do
    set -- --ro-bind "$place" "$place" "$@"
done
for place in /bin /lib /lib64 /etc/alternatives /etc/fonts /etc/group /etc/ld.so.cache /etc/localtime /etc/passwd; do
    set -- --ro-bind-try "$place" "$place" "$@"
done
set -- env -i PATH="$environment/bin:/usr/bin:/bin" HOME=/tmp LANG=C.UTF-8 LORABOOK_CACHE="$course/cache" \
    ${OMP_NUM_THREADS:+"OMP_NUM_THREADS=$OMP_NUM_THREADS"} \
    ${OPENBLAS_NUM_THREADS:+"OPENBLAS_NUM_THREADS=$OPENBLAS_NUM_THREADS"} \
    "$bwrap" --ro-bind /usr /usr --dev /dev --proc /proc --tmpfs /tmp "$@"
[ "$program" = nbgrader ] || exec "$@"

# The terminal stays outside: whoever has it reads what is typed, and sends it what it obeys. `cat` shows that as text.
exec 4>&1
status=$({ { code=0; "$@" </dev/null 3>&- 4>&- || code=$?; echo "$code" >&3; } 2>&1 | cat -v >&4; } 3>&1)
exit "${status:-2}"
