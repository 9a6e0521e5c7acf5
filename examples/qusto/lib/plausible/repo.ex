defmodule Plausible.Repo do
  @moduledoc "Stands where PostgreSQL stands in Qusto."

  @doc "Its directory below `DATA_DIR`."
  @spec directory() :: String.t()
  def directory, do: "postgres"

  @doc "Its directory below the application's `priv`."
  @spec priv() :: String.t()
  def priv, do: "repo"
end
