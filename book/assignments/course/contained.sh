#!/bin/sh
# Runs a command that sees no network and no home, and writes only below this folder.
base=$(python -c "import sys; print(sys.base_prefix)")
exec bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --tmpfs "$HOME" \
    --ro-bind "$base" "$base" --ro-bind "$VIRTUAL_ENV" "$VIRTUAL_ENV" --bind "$PWD" "$PWD" \
    --unshare-all --die-with-parent "$@"
