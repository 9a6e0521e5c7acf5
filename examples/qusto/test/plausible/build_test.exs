defmodule Plausible.BuildTest do
  use Plausible.StoreCase

  alias Plausible.Build

  @metadata ~S({"tags":["v3"],"labels":{"org.opencontainers.image.revision":"feed",
                "org.opencontainers.image.created":"2026-01-02T03:04:05Z"}})

  test "the version is that of the project" do
    assert Build.info().version == Mix.Project.config()[:version]
  end

  test "the commit of the build comes first" do
    Application.put_env(:plausible, :commit, "c0ffee")
    Application.put_env(:plausible, :build_metadata, @metadata)
    assert Build.info().commit == "c0ffee"
  end

  test "else the metadata tell it" do
    Application.put_env(:plausible, :commit, nil)
    Application.put_env(:plausible, :build_metadata, @metadata)
    assert %{commit: "feed", created: "2026-01-02T03:04:05Z", tags: ["v3"]} = Build.info()
  end

  for wrong <- ["", "{", "[]", ~S({"labels":[]})] do
    test "metadata like #{inspect(wrong)} tell nothing" do
      Application.put_env(:plausible, :commit, nil)
      Application.put_env(:plausible, :build_metadata, unquote(wrong))
      assert %{commit: nil, created: nil, tags: nil} = Build.info()
    end
  end
end
