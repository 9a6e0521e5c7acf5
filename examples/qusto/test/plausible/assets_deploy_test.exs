defmodule Plausible.AssetsDeployTest do
  use Plausible.StoreCase

  import ExUnit.CaptureIO

  test "names each style sheet by its content and lists it", %{data_dir: dir} do
    File.mkdir_p!(Path.join(dir, "assets/css"))
    File.write!(Path.join(dir, "assets/css/app.css"), "body {}\n")

    File.cd!(dir, fn ->
      assert capture_io(fn -> Mix.Tasks.Assets.Deploy.run([]) end) =~ "1 files digested"
      assert {:ok, manifest} = "priv/static/cache_manifest.json" |> File.read!() |> decode()
      assert %{"latest" => %{"css/app.css" => "css/app-" <> _ = name}} = manifest
      assert File.read!(Path.join("priv/static", name)) == "body {}\n"
    end)
  end

  defp decode(text), do: Plausible.JSON.decode(text)
end
