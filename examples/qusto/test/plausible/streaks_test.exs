defmodule Plausible.StreaksTest do
  use ExUnit.Case, async: true

  alias Plausible.Migrations
  alias Plausible.Migrations.Entry

  defp entry(repo, version), do: %Entry{repo: repo, version: version, name: "m", path: "m.exs"}

  test "an empty queue has none" do
    assert Migrations.streaks([]) == []
  end

  test "neighbours of one repo are one streak" do
    queue = [entry(:pg, 1), entry(:pg, 2), entry(:ch, 3), entry(:pg, 4)]

    assert [
             {:pg, [%{version: 1}, %{version: 2}]},
             {:ch, [%{version: 3}]},
             {:pg, [%{version: 4}]}
           ] = Migrations.streaks(queue)
  end

  test "together they are the queue" do
    queue = for version <- 1..9, do: entry(if(rem(version, 3) == 0, do: :ch, else: :pg), version)
    assert queue |> Migrations.streaks() |> Enum.flat_map(&elem(&1, 1)) == queue
  end
end
