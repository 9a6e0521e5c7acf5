# shellcheck shell=sh disable=SC2154
# The end of a held script: everything that was to be said is said. The client sends a byte now and
# then; at the end of file, or when none comes for SILENCE seconds, it lives no more for us: TCP
# itself would wait two hours for a machine that has vanished.
echo held
while [ "$(timeout "$SILENCE" head -c 1 | wc -c)" -eq 1 ]; do :; done
