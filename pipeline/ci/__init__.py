"""What CI jobs call beside checks, tests and deploys; whether workflows and check table agree."""
