defmodule Plausible.Schema do
  @moduledoc """
  The schema of one store: which migrations it has, and which tables with which columns.

  A migration is a function from schema to schema. What it returns is written together with its
  version in one step, so a migration is applied wholly or not at all.
  """

  defstruct versions: [], tables: %{}

  @type t :: %__MODULE__{versions: [pos_integer], tables: %{String.t() => [String.t()]}}

  @doc "Adds a table. Raises when it is there already."
  @spec create_table(t, String.t(), [String.t()]) :: t
  def create_table(%__MODULE__{} = schema, table, columns) do
    if Map.has_key?(schema.tables, table), do: raise("table #{table} exists already")
    put_in(schema.tables[table], columns)
  end

  @doc "Removes a table. Raises when there is none."
  @spec drop_table(t, String.t()) :: t
  def drop_table(%__MODULE__{} = schema, table) do
    columns!(schema, table)
    %{schema | tables: Map.delete(schema.tables, table)}
  end

  @doc "Adds a column to a table. Raises when the table is missing or has it already."
  @spec add_column(t, String.t(), String.t()) :: t
  def add_column(%__MODULE__{} = schema, table, column) do
    columns = columns!(schema, table)
    if column in columns, do: raise("column #{table}.#{column} exists already")
    put_in(schema.tables[table], columns ++ [column])
  end

  @doc "Removes a column from a table. Raises when either is missing."
  @spec drop_column(t, String.t(), String.t()) :: t
  def drop_column(%__MODULE__{} = schema, table, column) do
    columns = columns!(schema, table)
    unless column in columns, do: raise("column #{table}.#{column} does not exist")
    put_in(schema.tables[table], List.delete(columns, column))
  end

  @doc "The schema with `version` counted as applied."
  @spec applied(t, pos_integer) :: t
  def applied(schema, version), do: %{schema | versions: Enum.sort([version | schema.versions])}

  @doc "The schema with `version` counted as not applied."
  @spec reverted(t, pos_integer) :: t
  def reverted(schema, version), do: %{schema | versions: List.delete(schema.versions, version)}

  @doc "One line for each migration and table, to read with eyes and grep."
  @spec to_text(t) :: String.t()
  def to_text(schema) do
    versions = for version <- schema.versions, do: "migration #{version}\n"

    tables =
      for {table, columns} <- Enum.sort(schema.tables),
          do: "table #{table} #{Enum.join(columns, " ")}\n"

    Enum.join(versions ++ tables)
  end

  @doc "The reverse of `to_text/1`. Raises on a line it does not know."
  @spec from_text(String.t()) :: t
  def from_text(text) do
    for line <- String.split(text, "\n", trim: true), reduce: %__MODULE__{} do
      schema ->
        case String.split(line, " ", trim: true) do
          ["migration", version] -> applied(schema, String.to_integer(version))
          ["table", table | columns] -> create_table(schema, table, columns)
          _ -> raise "not a line of a schema: #{inspect(line)}"
        end
    end
  end

  defp columns!(schema, table) do
    Map.get(schema.tables, table) || raise "table #{table} does not exist"
  end
end
