defmodule Plausible.Store do
  @moduledoc """
  Where a repo keeps its data: a directory below `DATA_DIR` with a few text files.

  Every file is replaced as a whole by a rename, so a reader, a crash or a power cut sees the old
  content or the new, never half of one.
  """

  alias Plausible.Schema

  @doc "The directory of `repo`."
  @spec dir(module) :: Path.t()
  def dir(repo), do: Path.join(Application.fetch_env!(:plausible, :data_dir), repo.directory())

  @doc "Makes the directory of `repo`. Raises `File.Error` when that is not possible."
  @spec create!(module) :: :created | :exists
  def create!(repo) do
    if File.dir?(dir(repo)) do
      :exists
    else
      File.mkdir_p!(dir(repo))
      :created
    end
  end

  @doc "Says whether the data of `repo` can be read and written."
  @spec reachable?(module) :: boolean
  def reachable?(repo) do
    match?({:ok, %File.Stat{type: :directory, access: :read_write}}, File.stat(dir(repo)))
  end

  @doc "The schema as last written; empty when there is none yet."
  @spec schema(module) :: Schema.t()
  def schema(repo), do: repo |> read("schema") |> Schema.from_text()

  @spec put_schema!(module, Schema.t()) :: :ok
  def put_schema!(repo, schema), do: write!(repo, "schema", Schema.to_text(schema))

  @doc "The rows of a table, one line each."
  @spec rows(module, String.t()) :: [String.t()]
  def rows(repo, table), do: repo |> read("#{table}.rows") |> String.split("\n", trim: true)

  @spec put_rows!(module, String.t(), [String.t()]) :: :ok
  def put_rows!(repo, table, rows),
    do: write!(repo, "#{table}.rows", Enum.map_join(rows, &(&1 <> "\n")))

  defp read(repo, name) do
    path = Path.join(dir(repo), name)

    case File.read(path) do
      {:ok, text} -> text
      {:error, :enoent} -> ""
      {:error, reason} -> raise File.Error, reason: reason, action: "read", path: path
    end
  end

  defp write!(repo, name, text) do
    path = Path.join(dir(repo), name)
    # The process id keeps two writers from sharing one temporary file.
    fresh = "#{path}.#{System.pid()}"
    File.write!(fresh, text, [:sync])
    File.rename!(fresh, path)
  end
end
