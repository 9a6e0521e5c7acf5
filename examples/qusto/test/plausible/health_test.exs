defmodule Plausible.HealthTest do
  use Plausible.StoreCase

  alias Plausible.{Health, IngestRepo, Repo, SitesCache, Store}

  setup do
    cache = start_supervised!({SitesCache, [name: nil, warm_up_ms: :never]})
    {:ok, cache: cache}
  end

  test "is ready when both stores and the cache are", %{cache: cache} do
    Enum.each([Repo, IngestRepo], &Store.create!/1)
    send(cache, :warm_up)
    report = Health.readiness(cache)
    assert report == %{postgres: :ok, clickhouse: :ok, sites_cache: :ok, sessions: :ok}
    assert Health.ready?(report)
  end

  test "is not ready while the cache is cold", %{cache: cache} do
    Enum.each([Repo, IngestRepo], &Store.create!/1)
    report = Health.readiness(cache)
    assert report == %{postgres: :ok, clickhouse: :ok, sites_cache: nil, sessions: :ok}
    refute Health.ready?(report)
  end

  test "without its first store the cache counts as cold", %{cache: cache} do
    Enum.each([Repo, IngestRepo], &Store.create!/1)
    send(cache, :warm_up)
    assert SitesCache.ready?(cache)

    File.rm_rf!(Store.dir(Repo))
    assert %{postgres: :error, clickhouse: :ok, sites_cache: nil} = Health.readiness(cache)
  end

  test "names the store that is missing", %{cache: cache} do
    Store.create!(Repo)
    report = Health.readiness(cache)
    assert %{postgres: :ok, clickhouse: :error} = report
    refute Health.ready?(report)
  end
end
