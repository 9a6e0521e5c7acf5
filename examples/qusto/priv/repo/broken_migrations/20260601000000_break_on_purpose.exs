defmodule Plausible.Repo.Migrations.BreakOnPurpose do
  use Plausible.Migration

  def up(_schema), do: raise("the fault `migration` was ordered with QUSTO_BREAK")
  def down(schema), do: schema
end
