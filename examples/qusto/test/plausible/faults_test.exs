defmodule Plausible.FaultsTest do
  use Plausible.StoreCase

  alias Plausible.Faults

  test "reads a comma list" do
    assert Faults.parse("") == []
    assert Faults.parse("crash") == [:crash]
    assert Faults.parse(" slow, health ,") == [:slow, :health]
  end

  test "an unknown name is an error that lists the known ones" do
    assert_raise ArgumentError, ~r/unknown fault "slwo", known: migration, /, fn ->
      Faults.parse("slwo")
    end
  end

  test "only what is in the list was ordered" do
    Application.put_env(:plausible, :break, "flaky,slow")
    assert Faults.ordered?(:slow)
    refute Faults.ordered?(:crash)
  end

  test "nothing was ordered when nobody said so" do
    Application.delete_env(:plausible, :break)
    refute Faults.ordered?(:crash)
  end
end
