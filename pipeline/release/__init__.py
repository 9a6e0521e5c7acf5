"""From a source tree to a serving release: build, layout, activation, rollback."""
