defmodule Plausible.Faults do
  @moduledoc """
  Failures to order, so that a deploy can be watched failing.

  `QUSTO_BREAK` holds a comma list of the names below. Its value at build time is part of the
  release; its value at run time, even an empty one, replaces that.
  """

  @names ~w(migration slow_migration crash exit0 health slow flaky slow_stop)a

  @type name ::
          :migration
          | :slow_migration
          | :crash
          | :exit0
          | :health
          | :slow
          | :flaky
          | :slow_stop

  @doc "Says whether the fault `name` was ordered. Raises on a `QUSTO_BREAK` that names none."
  @spec ordered?(name) :: boolean
  def ordered?(name) when name in @names do
    name in parse(Application.get_env(:plausible, :break, ""))
  end

  @doc "Turns a comma list into names. Raises `ArgumentError` for an unknown one."
  @spec parse(String.t()) :: [name]
  def parse(text) do
    for word <- String.split(text, ",", trim: true), word = String.trim(word), word != "" do
      Enum.find(@names, &(Atom.to_string(&1) == word)) ||
        raise ArgumentError,
              "QUSTO_BREAK: unknown fault #{inspect(word)}, known: #{Enum.join(@names, ", ")}"
    end
  end
end
