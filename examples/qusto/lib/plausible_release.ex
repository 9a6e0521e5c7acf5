defmodule Plausible.Release do
  @moduledoc """
  What an operator runs with `bin/plausible eval`, without starting the application.

  A failure raises, so that `eval` ends with status 1.
  """

  alias Plausible.{Migrations, Store}

  @doc "The name that Qusto's deployment uses for `interweave_migrate/0`."
  @spec migrate() :: :ok
  def migrate, do: interweave_migrate()

  @doc """
  Applies every pending migration of both repos, in one order by version. When one fails, the
  ones before it stay applied.
  """
  @spec interweave_migrate() :: :ok
  def interweave_migrate do
    prepare()
    Enum.each(Migrations.repos(), &Store.create!/1)

    for {repo, streak} <- Migrations.streaks(Migrations.pending()), entry <- streak do
      IO.puts("Migrating #{inspect(repo)}: #{title(entry)}")
      Migrations.up(entry)
    end

    :ok
  end

  @doc "Prints what `interweave_migrate/0` would apply, and changes nothing."
  @spec pending_streaks() :: :ok
  def pending_streaks do
    prepare()
    IO.puts("Collecting pending migrations..")

    case Migrations.streaks(Migrations.pending()) do
      [] -> IO.puts("No pending migrations!")
      streaks -> Enum.each(streaks, &print_streak/1)
    end
  end

  defp print_streak({repo, streak}) do
    path = Path.relative_to_cwd(Migrations.path(repo))
    IO.puts("\n#{inspect(repo)} [#{path}] streak up to version #{List.last(streak).version}:")
    Enum.each(streak, &IO.puts("  * #{title(&1)}"))
  end

  @doc "Makes the stores. Harmless when they are there."
  @spec createdb() :: :ok
  def createdb do
    prepare()

    for repo <- Migrations.repos() do
      case Store.create!(repo) do
        :created -> IO.puts("Creating #{inspect(repo)} database..")
        :exists -> IO.puts("#{inspect(repo)} database already exists")
      end
    end

    IO.puts("Creation of Db successful!")
  end

  @doc "Asks for a number of steps and reverts that many migrations in every repo."
  @spec rollback() :: :ok
  def rollback do
    prepare()

    with text when is_binary(text) <- IO.gets("Enter the number of steps: "),
         {steps, ""} when steps > 0 <- text |> String.trim() |> Integer.parse() do
      for repo <- Migrations.repos(), entry <- Migrations.revertible(repo, steps) do
        IO.puts("Reverting #{inspect(repo)}: #{title(entry)}")
        Migrations.down(entry)
      end

      IO.puts("Rollback successful!")
    else
      _ -> raise "the number of steps must be a whole number above zero; nothing was reverted"
    end
  end

  @doc "Puts the first site in. Harmless when it is there. Raises before the first migration."
  @spec seed() :: :ok
  def seed do
    prepare()

    unless Map.has_key?(Store.schema(Plausible.Repo).tables, "sites"),
      do: raise("there is no table sites yet: migrate first")

    sites = Store.rows(Plausible.Repo, "sites")
    Store.put_rows!(Plausible.Repo, "sites", Enum.uniq(sites ++ ["example.com"]))
    IO.puts("Success!")
  end

  # The three lines, and the dots, are those of Qusto's release.
  defp prepare do
    IO.puts("Loading plausible..")
    :ok = Application.ensure_loaded(:plausible)
    IO.puts("Starting dependencies..")
    IO.puts("Starting repos..")
  end

  defp title(entry), do: "#{entry.version}_#{entry.name}"
end
