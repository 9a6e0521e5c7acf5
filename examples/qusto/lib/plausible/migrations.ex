defmodule Plausible.Migrations do
  @moduledoc """
  The migrations this release brings, and running them.

  `priv/<repo>/migrations` always belongs to a release. Of `priv/<repo>/extra_migrations` the
  oldest `QUSTO_EXTRA_MIGRATION` (a number, fixed at build time) do, so that one checkout can
  build a release whose successor has something to migrate. `priv/<repo>/broken_migrations`
  belongs to it while the fault `migration` is ordered.
  """

  alias Plausible.{Faults, Schema, Store}

  defmodule Entry do
    @moduledoc "One migration file of one repo."
    @enforce_keys [:repo, :version, :name, :path]
    defstruct @enforce_keys

    @type t :: %__MODULE__{
            repo: module,
            version: pos_integer,
            name: String.t(),
            path: Path.t()
          }
  end

  @doc "The repos of the application, in the order of its configuration."
  @spec repos() :: [module]
  def repos, do: Application.fetch_env!(:plausible, :ecto_repos)

  @doc "The directory of the migrations of `repo`."
  @spec path(module) :: Path.t()
  def path(repo), do: dir(repo, "migrations")

  @doc "Every migration of this release, oldest first, over all repos."
  @spec all() :: [Entry.t()]
  def all do
    extra = Application.get_env(:plausible, :extra_migrations, 0)
    broken = if Faults.ordered?(:migration), do: files("broken_migrations"), else: []

    Enum.sort_by(
      files("migrations") ++ Enum.take(files("extra_migrations"), extra) ++ broken,
      & &1.version
    )
  end

  @doc "What is not applied yet, oldest first, over all repos."
  @spec pending() :: [Entry.t()]
  def pending do
    applied = Map.new(repos(), &{&1, Store.schema(&1).versions})
    Enum.reject(all(), &(&1.version in applied[&1.repo]))
  end

  @doc """
  Cuts a queue into runs of neighbours of the same repo. The order over all repos stays, so a
  migration of one store can count on an earlier one of the other.
  """
  @spec streaks([Entry.t()]) :: [{module, [Entry.t()]}]
  def streaks(entries) do
    for [first | _] = streak <- Enum.chunk_by(entries, & &1.repo), do: {first.repo, streak}
  end

  @doc "What `steps` rollbacks of `repo` would undo: newest first, and only files we have."
  @spec revertible(module, pos_integer) :: [Entry.t()]
  def revertible(repo, steps) do
    applied = Store.schema(repo).versions

    all()
    |> Enum.filter(&(&1.repo == repo and &1.version in applied))
    |> Enum.reverse()
    |> Enum.take(steps)
  end

  @doc "Applies one migration. Raises what the migration raises, having changed nothing."
  @spec up(Entry.t()) :: :ok
  def up(entry) do
    if Faults.ordered?(:slow_migration),
      do: Process.sleep(Application.fetch_env!(:plausible, :migration_ms))

    change(entry, fn module, schema ->
      schema |> module.up() |> Schema.applied(entry.version)
    end)
  end

  @doc "Reverts one migration. Raises what the migration raises, having changed nothing."
  @spec down(Entry.t()) :: :ok
  def down(entry) do
    change(entry, fn module, schema ->
      schema |> module.down() |> Schema.reverted(entry.version)
    end)
  end

  defp change(%Entry{repo: repo} = entry, fun) do
    [{module, _code}] = Code.compile_file(entry.path)

    try do
      Store.put_schema!(repo, fun.(module, Store.schema(repo)))
    after
      # The file may be loaded again in this node: leave no module to redefine.
      :code.delete(module)
      :code.purge(module)
    end
  end

  defp files(kind) do
    entries =
      for repo <- repos(), file <- Path.wildcard(Path.join(dir(repo, kind), "*.exs")) do
        {version, "_" <> name} = file |> Path.basename(".exs") |> Integer.parse()
        %Entry{repo: repo, version: version, name: name, path: file}
      end

    Enum.sort_by(entries, & &1.version)
  end

  defp dir(repo, kind), do: Application.app_dir(:plausible, ["priv", repo.priv(), kind])
end
