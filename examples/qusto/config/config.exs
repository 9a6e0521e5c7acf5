# Read when the code is built. In a release these values are fixed from then on, which is the
# point: the same checkout yields releases that differ in version, schema or built-in fault.
import Config

config :plausible,
  ecto_repos: [Plausible.Repo, Plausible.IngestRepo],
  server: config_env() not in [:test, :ce_test],
  # Not from the .app file: mix rewrites that only when code changed, so a second build with
  # another APP_VERSION would go on telling the first one.
  version: System.get_env("APP_VERSION", "0.0.1"),
  commit: System.get_env("APP_COMMIT"),
  break: System.get_env("QUSTO_BREAK", ""),
  extra_migrations: String.to_integer(System.get_env("QUSTO_EXTRA_MIGRATION", "0"))

config :logger, :console, format: "$time [$level] $message\n"

# Tests read answers, not logs: nothing below an error is worth a line there.
if config_env() in [:test, :ce_test], do: config(:logger, level: :error)
