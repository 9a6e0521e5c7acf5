defmodule Mix.Tasks.Assets.Deploy do
  @shortdoc "Writes the style sheets, named by content, to priv/static"
  @moduledoc """
  Copies `assets/css/*.css` to `priv/static/css` under names that hold a digest of their
  content, and writes `priv/static/cache_manifest.json` from plain name to digested name.

  Stands where Qusto runs tailwind, esbuild and `phx.digest`, and needs no npm.
  """

  use Mix.Task

  @impl true
  def run(_args) do
    File.rm_rf!("priv/static")
    File.mkdir_p!("priv/static/css")

    latest =
      for source <- Path.wildcard("assets/css/*.css"), into: %{} do
        digest = source |> File.read!() |> :erlang.md5() |> Base.encode16(case: :lower)
        name = "css/#{Path.basename(source, ".css")}-#{digest}.css"
        File.cp!(source, Path.join("priv/static", name))
        {"css/#{Path.basename(source)}", name}
      end

    File.write!(
      "priv/static/cache_manifest.json",
      Plausible.JSON.encode(%{version: 1, latest: latest}) <> "\n"
    )

    Mix.shell().info("#{map_size(latest)} files digested to priv/static")
  end
end
