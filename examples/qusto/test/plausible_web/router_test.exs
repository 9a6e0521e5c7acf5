defmodule PlausibleWeb.RouterTest do
  use Plausible.StoreCase

  alias Plausible.JSON
  alias PlausibleWeb.Router

  test "liveness answers whatever is wrong" do
    Application.put_env(:plausible, :break, "health")
    assert Router.dispatch("GET", "/api/system/health/live") == {200, ~s({"ok":true})}
  end

  test "both names of readiness give the same answer" do
    assert {status, body} = Router.dispatch("GET", "/api/health")
    assert Router.dispatch("GET", "/api/system/health/ready") == {status, body}
    assert {:ok, report} = JSON.decode(body)
    assert report |> Map.keys() |> Enum.sort() == ~w(clickhouse postgres sessions sites_cache)
  end

  test "readiness without a store is a 500 that says why" do
    assert {500, body} = Router.dispatch("GET", "/api/health")
    assert {:ok, %{"postgres" => "error", "sites_cache" => nil}} = JSON.decode(body)
  end

  test "HEAD is GET" do
    assert Router.dispatch("HEAD", "/api/system") == Router.dispatch("GET", "/api/system")
  end

  test "the rest is not found" do
    for {method, path} <- [{"GET", "/"}, {"GET", "/api"}, {"POST", "/api/health"}] do
      assert {404, ~s({"error":"not found"})} = Router.dispatch(method, path)
    end
  end
end
