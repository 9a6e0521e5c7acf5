defmodule Plausible.StoreCase do
  @moduledoc """
  Gives every test stores of its own, in a directory that nobody else has, whatever partition
  or MIX_ENV runs beside it. Puts the settings a test changes back.
  """

  use ExUnit.CaseTemplate

  setup do
    before = Application.get_all_env(:plausible)
    dir = Path.join(System.tmp_dir!(), "qusto-case-#{System.pid()}-#{unique()}")
    Application.put_env(:plausible, :data_dir, dir)

    on_exit(fn ->
      for {key, _} <- Application.get_all_env(:plausible),
          do: Application.delete_env(:plausible, key)

      Application.put_all_env(plausible: before)
      File.rm_rf!(dir)
    end)

    {:ok, data_dir: dir}
  end

  defp unique, do: System.unique_integer([:positive])
end
