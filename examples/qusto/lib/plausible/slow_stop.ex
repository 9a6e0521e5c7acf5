defmodule Plausible.SlowStop do
  @moduledoc "The fault `slow_stop`: takes `QUSTO_STOP_SECONDS` to end when it is asked to."

  use GenServer

  @doc "Starts it; `stop_ms` is how long its end takes."
  @spec start_link(non_neg_integer) :: GenServer.on_start()
  def start_link(stop_ms), do: GenServer.start_link(__MODULE__, stop_ms)

  @spec child_spec(non_neg_integer) :: Supervisor.child_spec()
  def child_spec(stop_ms) do
    # A supervisor would kill it at the end of its shutdown time: that has to be longer.
    %{id: __MODULE__, start: {__MODULE__, :start_link, [stop_ms]}, shutdown: stop_ms + 5000}
  end

  @impl true
  def init(stop_ms) do
    Process.flag(:trap_exit, true)
    {:ok, stop_ms}
  end

  @impl true
  def terminate(_reason, stop_ms), do: Process.sleep(stop_ms)
end
