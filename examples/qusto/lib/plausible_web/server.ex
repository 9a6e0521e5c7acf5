defmodule PlausibleWeb.Server do
  @moduledoc "OTP's own HTTP server with `PlausibleWeb.Handler` behind it."

  require Logger

  @spec child_spec({:inet.ip_address(), :inet.port_number()}) :: Supervisor.child_spec()
  def child_spec(listen) do
    %{id: __MODULE__, start: {__MODULE__, :start_link, [listen]}, type: :supervisor}
  end

  @doc "Listens on `{address, port}`. A port that stays in use is an error."
  @spec start_link({:inet.ip_address(), :inet.port_number()}) :: {:ok, pid} | {:error, term}
  def start_link({ip, port}) do
    # The server insists on two directories that exist. Nothing is read from or written to them.
    root = :plausible |> :code.lib_dir()

    options = [
      server_name: ~c"plausible",
      server_root: root,
      document_root: root,
      bind_address: ip,
      ipfamily: if(tuple_size(ip) == 4, do: :inet, else: :inet6),
      port: port,
      modules: [PlausibleWeb.Handler],
      server_tokens: :none
    ]

    with {:ok, pid} <- listen(options, 10) do
      Logger.notice("Running PlausibleWeb.Server at #{:inet.ntoa(ip)}:#{port}")
      {:ok, pid}
    end
  end

  # httpd sets SO_REUSEADDR, so connections of before do not matter. Its own socket does: it is
  # closed a moment after the server that had it ended, which a restart can be too quick for.
  defp listen(options, attempts) do
    with {:error, reason} <- :inets.start(:httpd, options, :stand_alone) do
      if attempts > 1 and inspect(reason) =~ "eaddrinuse" do
        Process.sleep(50)
        listen(options, attempts - 1)
      else
        {:error, reason}
      end
    end
  end
end
