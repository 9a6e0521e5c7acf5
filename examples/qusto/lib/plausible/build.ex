defmodule Plausible.Build do
  @moduledoc "Which build this is."

  @labels "org.opencontainers.image"

  @doc """
  Version and commit as fixed by the build (`APP_VERSION`, `APP_COMMIT`). A build that was not
  told its commit, and the rest, take what `BUILD_METADATA` says at run time: the JSON that
  Docker's metadata action writes, where a label is called `org.opencontainers.image.revision`.
  """
  @spec info() :: %{atom => term}
  def info do
    metadata = metadata(Application.get_env(:plausible, :build_metadata, "{}"))
    labels = object(metadata["labels"])

    %{
      version: Application.fetch_env!(:plausible, :version),
      commit: Application.get_env(:plausible, :commit) || labels["#{@labels}.revision"],
      created: labels["#{@labels}.created"],
      tags: metadata["tags"]
    }
  end

  # Wrong metadata must not take the page down that says which version runs.
  defp metadata(text) do
    case Plausible.JSON.decode(text) do
      {:ok, value} -> object(value)
      {:error, _} -> %{}
    end
  end

  defp object(value) when is_map(value), do: value
  defp object(_), do: %{}
end
