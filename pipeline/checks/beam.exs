# Runs mix tasks one after the other in one BEAM. beams.py starts it, gives the orders and reads what
# is said here:
#
#     elixir beam.exs ORDERS MARK
#
# ORDERS is a file with one line for each task, its words separated by the unit separator. MARK is a
# text that nobody else prints: it is written to both streams when a task has returned, with "+" if
# the BEAM takes a further order and "." if it ends. Nothing but a pass is told like that. A task
# that raises, exits or halts goes its usual way up to mix itself, ends this BEAM and is told by the
# exit code, as if it had been alone in it.
defmodule Mix.Tasks.Qusto.Orders do
  @moduledoc false
  use Mix.Task

  @impl true
  def run([orders, mark]) do
    {:ok, file} = :file.open(orders, [:read, :raw, :binary])
    serve(file, mark)
  end

  defp serve(file, mark) do
    with [task | arguments] <- order(file, "") do
      before = surroundings()
      # What has run in a BEAM does not run again, but the next task may rely on it.
      Mix.Task.clear()
      start(task, arguments)
      unchanged = surroundings() == before
      for device <- [:stderr, :stdio], do: IO.write(device, mark <> if(unchanged, do: "+", else: "."))
      # What the next task would not find in a BEAM of its own ends this one.
      if unchanged, do: serve(file, mark)
    end
  end

  # `elixir -r FILE -S mix TASK …`
  defp start("-r", [file, "-S", "mix", task | arguments]) do
    Code.require_file(file)
    Mix.Task.run(task, arguments)
  end

  defp start(task, arguments), do: Mix.Task.run(task, arguments)

  # Byte by byte, since a read of more waits for all of it.
  defp order(file, line) do
    case :file.read(file, 1) do
      {:ok, "\n"} -> String.split(line, "\x1F")
      {:ok, byte} -> order(file, line <> byte)
      :eof -> :eof
    end
  end

  defp surroundings do
    {at_exit(), Application.started_applications(), File.cwd!(), Mix.env(), Mix.shell(),
     Mix.Project.get(), Process.group_leader()}
  end

  # The functions of System.at_exit have the last word on the exit code: mix test fails by one.
  defp at_exit do
    :elixir_config.get(:at_exit)
  rescue
    # It is not documented. Where it is gone, nobody can say that all is as before.
    _ -> make_ref()
  end
end

Mix.start()
Mix.CLI.main(["qusto.orders" | System.argv()])
