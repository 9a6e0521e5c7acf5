defmodule PlausibleWeb.ServerTest do
  use ExUnit.Case

  alias PlausibleWeb.HTTP

  setup do
    {:ok, port: HTTP.serve!()}
  end

  test "answers with JSON and its length", %{port: port} do
    assert {200, headers, ~s({"ok":true})} = HTTP.request(:get, port, "/api/system/health/live")
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["content-length"] == "11"
    assert headers["cache-control"] == "no-store"
  end

  test "does not name the software behind it", %{port: port} do
    {_status, headers, _body} = HTTP.request(:get, port, "/api/system")
    refute Map.has_key?(headers, "server")
  end

  test "looks at the path, not at the query", %{port: port} do
    assert {200, _, _} = HTTP.request(:get, port, "/api/system?from=curl")
  end

  test "answers HEAD with no body", %{port: port} do
    assert {200, %{"content-length" => "11"}, ""} =
             HTTP.request(:head, port, "/api/system/health/live")
  end

  test "answers 404 for what is not there", %{port: port} do
    assert {404, _, ~s({"error":"not found"})} = HTTP.request(:get, port, "/admin")
  end
end
