# Loaded before mix (`elixir -r`), so the application need not know of it. Writes what really ran
# to the file `evidence` beside itself when the suite has come to its end, so each run has a link to
# this file in a directory of its own, whose name no test knows; suite_evidence.py makes it and reads
# the evidence. A suite that a test runs inside of this one is not ours and leaves none.
# Elixir 1.14 and newer, no JSON: it came with OTP 27.
defmodule Qusto.Pipeline.TestEvidence do
  use GenServer

  @path Path.join(__DIR__, "evidence")

  # Where this is kept compiled (beam.exs), whoever loads it says where the evidence goes.
  defp path, do: :persistent_term.get(__MODULE__, @path)

  # Called in the process that will run mix. Of a suite without our formatter this is all we hear.
  def listen do
    :persistent_term.put({__MODULE__, :main}, self())
    :persistent_term.put({__MODULE__, :suites}, 0)
    Application.load(:ex_unit)
    ExUnit.after_suite(&__MODULE__.suite_ended/1)
  end

  def suite_ended(stats) do
    # Mix runs the suite in a task of its own process.
    callers = Process.get(:"$callers") || []
    ours? = :persistent_term.get({__MODULE__, :main}) in [self() | callers]

    if ours? and not File.exists?(path()) do
      ran = stats.total - stats.excluded - Map.get(stats, :skipped, 0)
      write([], ran, stats.failures, stats.excluded)
    end
  end

  def init(_options) do
    owner = :persistent_term.get({__MODULE__, :owner}, nil)
    nested? = is_pid(owner) and Process.alive?(owner)
    unless nested?, do: :persistent_term.put({__MODULE__, :owner}, self())
    {:ok, %{nested?: nested?, now: now(), running: [], spent: %{}, counts: %{}, failed: []}}
  end

  def handle_cast(_event, %{nested?: true} = state), do: {:noreply, state}

  # case_started and case_finished are the same events under their old name.
  def handle_cast({:module_started, module}, state) do
    state = share_out(state)
    {:noreply, %{state | running: [file(module) | state.running]}}
  end

  def handle_cast({:module_finished, module}, state) do
    state = share_out(state)
    {:noreply, %{state | running: List.delete(state.running, file(module))}}
  end

  def handle_cast({:test_finished, test}, state) do
    path = relative(test.tags.file)
    kind = kind(test.state)
    counts = Map.update(state.counts, {path, kind}, 1, &(&1 + 1))

    failed =
      if kind == :failed,
        do: [{path, test.tags.line, Atom.to_string(test.name)} | state.failed],
        else: state.failed

    {:noreply, %{state | counts: counts, failed: failed}}
  end

  def handle_cast({:suite_finished, _times}, state) do
    state = share_out(state)
    sum = fn kinds -> for({{_, kind}, n} <- state.counts, kind in kinds, do: n) |> Enum.sum() end
    write(lines(state), sum.([:passed, :failed]), sum.([:failed]), sum.([:excluded]))
    {:noreply, state}
  end

  def handle_cast(_event, state), do: {:noreply, state}

  # Elapsed time goes in equal shares to the modules that run, so all files add up to the suite.
  defp share_out(state) do
    time = now()

    spent =
      Enum.reduce(state.running, state.spent, fn path, spent ->
        share = (time - state.now) / length(state.running)
        Map.update(spent, path, share, &(&1 + share))
      end)

    %{state | now: time, spent: spent}
  end

  defp kind(nil), do: :passed
  defp kind({:failed, _}), do: :failed
  defp kind({:invalid, _}), do: :failed
  defp kind({:excluded, _}), do: :excluded
  defp kind({:skipped, _}), do: :skipped

  defp lines(state) do
    spent = for {path, seconds} <- state.spent, do: ["time", path, decimal(seconds)]
    counts = for {{path, kind}, number} <- state.counts, do: [to_string(kind), path, number]
    failed = for {path, line, name} <- state.failed, do: ["failure", path, line, name]
    spent ++ counts ++ failed
  end

  defp write(lines, ran, failed, excluded) do
    loaded = for path <- Code.required_files(), do: ["loaded", relative(path)]
    suites = :persistent_term.get({__MODULE__, :suites}, 0) + 1
    :persistent_term.put({__MODULE__, :suites}, suites)
    ends = [["total", ran, failed, excluded], ["suites", suites], ["cover", cover()], ["end"]]

    text =
      for words <- loaded ++ lines ++ ends do
        [Enum.map_join(words, "\t", &URI.encode(to_string(&1))), "\n"]
      end

    # A reader finds all of it or nothing.
    File.write!(path() <> ".new", text)
    File.rename!(path() <> ".new", path())
  end

  defp cover do
    options = Mix.Project.config()[:test_coverage] || []
    Path.expand(options[:output] || "cover")
  end

  # The field `file` of a module came after 1.14, its tests have always had it.
  defp file(%{file: path}) when is_binary(path), do: relative(path)
  defp file(%{tests: [test | _]}), do: relative(test.tags.file)
  defp file(module), do: to_string(module.name)

  defp relative(path), do: Path.relative_to_cwd(path)
  defp decimal(seconds), do: :erlang.float_to_binary(seconds / 1.0, decimals: 6)
  defp now, do: System.monotonic_time(:microsecond) / 1_000_000
end

Qusto.Pipeline.TestEvidence.listen()
