defmodule PlausibleWeb.HTTP do
  @moduledoc "Asks a server on loopback, as curl would."

  @doc "A port nobody listens on at this moment."
  @spec free_port() :: :inet.port_number()
  def free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @doc "Starts a server for this test on a free port and gives the port back."
  @spec serve!() :: :inet.port_number()
  def serve! do
    port = free_port()

    case ExUnit.Callbacks.start_supervised({PlausibleWeb.Server, {{127, 0, 0, 1}, port}}) do
      {:ok, _pid} ->
        port

      # Another test run was quicker to take the port: take another one.
      {:error, reason} ->
        if inspect(reason) =~ "eaddrinuse", do: serve!(), else: raise(inspect(reason))
    end
  end

  @doc "Sends a request; gives back the status, the headers and the body."
  @spec request(atom, :inet.port_number(), String.t()) ::
          {pos_integer, %{String.t() => String.t()}, String.t()}
  def request(method, port, path) do
    url = ~c"http://127.0.0.1:#{port}#{path}"

    {:ok, {{_version, status, _reason}, headers, body}} =
      :httpc.request(method, {url, [{~c"connection", ~c"close"}]}, [timeout: 5000], [])

    headers = Map.new(headers, fn {name, value} -> {to_string(name), to_string(value)} end)
    {status, headers, to_string(body)}
  end
end
