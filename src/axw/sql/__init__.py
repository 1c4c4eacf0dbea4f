"""A X for tables that outgrow memory, as Ibis expressions: on DuckDB by default, on Spark where one machine is outgrown."""
