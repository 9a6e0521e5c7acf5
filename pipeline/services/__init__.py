"""PostgreSQL, ClickHouse and Redis: which ones an application's tests want, and are they there."""
