defmodule Plausible.Health do
  @moduledoc "What the application depends on, and whether it is there."

  alias Plausible.{SitesCache, Store}

  @type report :: %{
          postgres: :ok | :error,
          clickhouse: :ok | :error,
          sites_cache: :ok | nil,
          sessions: :ok
        }

  @doc "Asks everything that must be there before a request can be served."
  @spec readiness(GenServer.server()) :: report
  def readiness(cache \\ SitesCache) do
    postgres = store(Plausible.Repo)

    %{
      postgres: postgres,
      clickhouse: store(Plausible.IngestRepo),
      sites_cache: if(postgres == :ok and SitesCache.ready?(cache), do: :ok),
      sessions: :ok
    }
  end

  @doc "Says whether a report is all well."
  @spec ready?(report) :: boolean
  def ready?(report), do: Enum.all?(report, fn {_name, state} -> state == :ok end)

  defp store(repo), do: if(Store.reachable?(repo), do: :ok, else: :error)
end
