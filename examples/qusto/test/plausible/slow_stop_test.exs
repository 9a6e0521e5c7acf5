defmodule Plausible.SlowStopTest do
  use ExUnit.Case, async: true

  alias Plausible.SlowStop

  test "its supervisor waits longer than it takes to stop" do
    assert %{shutdown: shutdown, start: {SlowStop, :start_link, [700]}} = SlowStop.child_spec(700)
    assert shutdown > 700
  end

  test "holds its own end up, and then ends" do
    {:ok, pid} = SlowStop.start_link(150)
    reference = Process.monitor(pid)
    started = System.monotonic_time(:millisecond)
    GenServer.stop(pid)
    assert_receive {:DOWN, ^reference, :process, ^pid, :normal}
    # Sleeping never ends early, so this holds on a busy machine too.
    assert System.monotonic_time(:millisecond) - started >= 150
  end
end
