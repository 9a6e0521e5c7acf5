#!/bin/sh
# Runs in the environment of the service: SECRET_KEY_BASE, BASE_URL and DATA_DIR must be set.
exec "$(dirname "$0")/bin/plausible" eval Plausible.Release.interweave_migrate
