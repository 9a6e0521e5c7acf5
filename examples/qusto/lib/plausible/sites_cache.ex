defmodule Plausible.SitesCache do
  @moduledoc """
  Keeps the sites in memory. It is warm a moment after its start, and until then the
  application is not ready.

  The faults `slow`, `health` and `flaky` live here, because they are all about being warm.
  """

  use GenServer

  alias Plausible.{Faults, Store}

  @warm_up_ms 100
  @flaky_ms 2000

  defstruct [:sites, :warmed_at]

  @doc "Starts it. `:name` is where to find it; `:warm_up_ms` how long to stay cold, or `:never`."
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts) do
    opts = Keyword.put_new_lazy(opts, :warm_up_ms, &ordered_warm_up/0)
    GenServer.start_link(__MODULE__, opts, name: Keyword.get(opts, :name, __MODULE__))
  end

  @doc "Says whether the sites are there to be asked for."
  @spec ready?(GenServer.server()) :: boolean
  def ready?(server \\ __MODULE__), do: GenServer.call(server, :ready?)

  @doc "Says whether there is such a site."
  @spec member?(GenServer.server(), String.t()) :: boolean
  def member?(server \\ __MODULE__, domain), do: GenServer.call(server, {:member?, domain})

  defp ordered_warm_up do
    cond do
      Faults.ordered?(:health) -> :never
      Faults.ordered?(:slow) -> Application.fetch_env!(:plausible, :boot_ms)
      true -> @warm_up_ms
    end
  end

  @impl true
  def init(opts) do
    unless opts[:warm_up_ms] == :never,
      do: Process.send_after(self(), :warm_up, opts[:warm_up_ms])

    {:ok, %__MODULE__{sites: MapSet.new(), warmed_at: nil}}
  end

  @impl true
  def handle_info(:warm_up, state) do
    if Store.reachable?(Plausible.Repo) do
      sites = Plausible.Repo |> Store.rows("sites") |> MapSet.new()
      {:noreply, %{state | sites: sites, warmed_at: System.monotonic_time(:millisecond)}}
    else
      # Stay cold and try again: a store may come back, and ending would take the server along.
      Process.send_after(self(), :warm_up, @warm_up_ms)
      {:noreply, state}
    end
  end

  @impl true
  def handle_call(:ready?, _from, %{warmed_at: nil} = state), do: {:reply, false, state}

  def handle_call(:ready?, _from, state) do
    age = System.monotonic_time(:millisecond) - state.warmed_at
    {:reply, not (Faults.ordered?(:flaky) and age > @flaky_ms), state}
  end

  def handle_call({:member?, domain}, _from, state),
    do: {:reply, MapSet.member?(state.sites, domain), state}
end
