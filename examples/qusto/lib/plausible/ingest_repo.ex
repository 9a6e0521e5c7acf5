defmodule Plausible.IngestRepo do
  @moduledoc "Stands where ClickHouse stands in Qusto."

  @doc "Its directory below `DATA_DIR`."
  @spec directory() :: String.t()
  def directory, do: "clickhouse"

  @doc "Its directory below the application's `priv`."
  @spec priv() :: String.t()
  def priv, do: "ingest_repo"
end
