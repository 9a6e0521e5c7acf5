[
  inputs: [
    "*.{ex,exs}",
    ".{formatter,credo}.exs",
    "{config,lib,test}/**/*.{ex,exs}",
    "priv/*/*migrations/*.exs"
  ]
]
