defmodule Plausible.Migration do
  @moduledoc """
  What a file in `priv/<repo>/migrations` holds: one module with `up/1` and `down/1`.

  The file's name is its version, an underscore and its name: `20250101000000_create_sites.exs`.
  """

  alias Plausible.Schema

  @callback up(Schema.t()) :: Schema.t()
  @callback down(Schema.t()) :: Schema.t()

  defmacro __using__(_opts) do
    quote do
      @behaviour Plausible.Migration
      import Plausible.Schema,
        only: [create_table: 3, drop_table: 2, add_column: 3, drop_column: 3]
    end
  end
end
