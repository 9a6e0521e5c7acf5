defmodule Plausible.IngestRepo.Migrations.CreateEvents do
  use Plausible.Migration

  def up(schema), do: create_table(schema, "events", ["timestamp", "site_id", "name"])
  def down(schema), do: drop_table(schema, "events")
end
