defmodule PlausibleWeb.ServerRestartTest do
  use ExUnit.Case

  alias PlausibleWeb.{HTTP, Server}

  test "listens on the same port again at once, with connections of before still closing" do
    port = HTTP.serve!()
    assert {200, _, _} = HTTP.request(:get, port, "/api/system/health/live")

    stop_supervised!(Server)
    start_supervised!({Server, {{127, 0, 0, 1}, port}})
    assert {200, _, _} = HTTP.request(:get, port, "/api/system/health/live")
  end

  test "a port that somebody else listens on is an error" do
    {:ok, taken} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(taken)
    Process.flag(:trap_exit, true)
    assert {:error, reason} = Server.start_link({{127, 0, 0, 1}, port})
    assert inspect(reason) =~ "eaddrinuse"
  end
end
