defmodule PlausibleWeb.SystemControllerTest do
  use Plausible.StoreCase

  alias PlausibleWeb.SystemController

  test "info names the build" do
    Application.put_env(:plausible, :commit, "c0ffee")
    assert {200, %{build: build, geo_database: "none"}} = SystemController.info()
    assert %{commit: "c0ffee", version: version} = build
    assert is_binary(version)
  end

  test "liveness is always well" do
    assert SystemController.liveness() == {200, %{ok: true}}
  end

  test "readiness without stores is a 500" do
    assert {500, %{postgres: :error, clickhouse: :error}} = SystemController.readiness()
  end
end
