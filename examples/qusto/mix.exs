defmodule Plausible.MixProject do
  use Mix.Project

  def project do
    [
      app: :plausible,
      version: System.get_env("APP_VERSION", "0.0.1"),
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() in [:prod, :ce],
      aliases: aliases(),
      deps: [],
      releases: [plausible: [include_executables_for: [:unix]]]
    ]
  end

  def application do
    [mod: {Plausible.Application, []}, extra_applications: [:logger, :inets]]
  end

  defp elixirc_paths(env) when env in [:test, :ce_test, :dev, :ce_dev],
    do: ["lib", "test/support"]

  defp elixirc_paths(_env), do: ["lib"]

  # Aliases of the names that Qusto's workflows call; the stores here are directories.
  defp aliases do
    [
      setup: ["deps.get", "ecto.setup"],
      "ecto.setup": ["ecto.create", "ecto.migrate", &seed/1],
      "ecto.create": &createdb/1,
      "ecto.migrate": &migrate/1
    ]
  end

  defp createdb(_args), do: release(:createdb)
  defp migrate(_args), do: release(:migrate)
  defp seed(_args), do: release(:seed)

  # apply/3, because the module does not exist yet when this file is compiled.
  defp release(function) do
    Mix.Task.run("app.config")
    apply(Plausible.Release, function, [])
  end
end
