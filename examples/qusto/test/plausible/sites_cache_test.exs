defmodule Plausible.SitesCacheTest do
  use Plausible.StoreCase

  alias Plausible.{Repo, SitesCache, Store}

  defp start(opts) do
    start_supervised!({SitesCache, [name: nil] ++ opts}, id: make_ref())
  end

  # A message sent by hand is handled before the next call, so no test has to wait.
  defp warm(cache), do: send(cache, :warm_up)

  test "is cold until it has read the sites" do
    Store.create!(Repo)
    Store.put_rows!(Repo, "sites", ["example.com"])
    cache = start(warm_up_ms: :never)

    refute SitesCache.ready?(cache)
    refute SitesCache.member?(cache, "example.com")

    warm(cache)
    assert SitesCache.ready?(cache)
    assert SitesCache.member?(cache, "example.com")
    refute SitesCache.member?(cache, "other.example")
  end

  test "stays cold, and alive, while the store is away" do
    cache = start(warm_up_ms: :never)
    warm(cache)
    refute SitesCache.ready?(cache)

    Store.create!(Repo)
    warm(cache)
    assert SitesCache.ready?(cache)
  end

  test "`health` keeps it cold" do
    Application.put_env(:plausible, :break, "health")
    Store.create!(Repo)
    refute SitesCache.ready?(start([]))
  end

  test "`slow` makes it wait for as long as ordered" do
    Application.put_env(:plausible, :break, "slow")
    Application.put_env(:plausible, :boot_ms, 60_000)
    refute SitesCache.ready?(start([]))
  end

  test "`flaky` does not spoil the first moments" do
    Application.put_env(:plausible, :break, "flaky")
    Store.create!(Repo)
    cache = start(warm_up_ms: :never)
    warm(cache)
    assert SitesCache.ready?(cache)
  end
end
