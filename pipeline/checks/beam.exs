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
    load(file)
    Mix.Task.run(task, arguments)
  end

  defp start(task, arguments), do: Mix.Task.run(task, arguments)

  # Code.require_file for a file of one module (evidence.exs), whose compilation takes as long as a
  # quick task. So it is kept, for this text and this Elixir and OTP. Without a cache it is compiled.
  defp load(file) do
    version = {System.version(), :erlang.system_info(:otp_release), :erlang.system_info(:version)}
    key = :erlang.md5(:erlang.term_to_binary({File.read!(file), version}))
    cache = System.get_env("XDG_CACHE_HOME") || Path.join(System.user_home() || "", ".cache")
    kept = Path.join([cache, "qusto-pipeline", "#{Base.encode16(key)}.beam"])

    with {:ok, kept_binary} <- File.read(kept),
         {module, binary} <- safely_decoded(kept_binary),
         {:module, ^module} <- :code.load_binary(module, to_charlist(file), binary) do
      :persistent_term.put(module, Path.rootname(file))
      module.listen()
    else
      _ ->
        [{module, binary}] = Code.compile_file(file)
        # Whole or not at all, whoever else writes it.
        fresh = "#{kept}-#{System.pid()}"

        with :ok <- File.mkdir_p(Path.dirname(kept)),
             :ok <- File.write(fresh, :erlang.term_to_binary({module, binary})),
             do: File.rename(fresh, kept)
    end
  end

  defp safely_decoded(binary) do
    :erlang.binary_to_term(binary)
  rescue
    ArgumentError -> :error
  end

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
