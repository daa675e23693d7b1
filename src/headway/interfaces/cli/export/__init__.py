"""`headway export`: rows of the API in files, as JSON Lines, CSV or Parquet."""
