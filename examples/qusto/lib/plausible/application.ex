defmodule Plausible.Application do
  @moduledoc "Starts the cache and, unless told otherwise, the HTTP server."

  use Application

  require Logger

  alias Plausible.{Faults, Migrations, Store}

  @impl true
  def start(_type, _args) do
    if Faults.ordered?(:crash), do: raise("the fault `crash` was ordered with QUSTO_BREAK")

    if Faults.ordered?(:exit0) do
      # As Qusto's MIX_ENV=prod does without a licence: a clean end that is a failed start.
      Logger.error("The fault `exit0` was ordered with QUSTO_BREAK. Shutting down.")
      System.stop(0)
    end

    Enum.each(Migrations.repos(), &open/1)
    Supervisor.start_link(children(), strategy: :one_for_one, name: Plausible.Supervisor)
  end

  defp children do
    slow_stop =
      if Faults.ordered?(:slow_stop),
        do: [{Plausible.SlowStop, Application.fetch_env!(:plausible, :stop_ms)}],
        else: []

    server =
      if Application.fetch_env!(:plausible, :server),
        do: [{PlausibleWeb.Server, Application.fetch_env!(:plausible, :listen)}],
        else: []

    slow_stop ++ [Plausible.SitesCache] ++ server
  end

  # A store that cannot be opened must not keep the server from saying so.
  defp open(repo) do
    Store.create!(repo)
  rescue
    error in File.Error -> Logger.error(Exception.message(error))
  end
end
