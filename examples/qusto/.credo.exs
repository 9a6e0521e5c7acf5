%{
  configs: [
    %{
      name: "default",
      strict: false,
      files: %{included: ["lib/", "test/"], excluded: ["_build/", "deps/", "node_modules/"]},
      checks: %{extra: [{Credo.Check.Readability.MaxLineLength, priority: :low, max_length: 120}]}
    }
  ]
}
