"""What survives the process: write queue, database and raw-frame journal come here with their own issue. Empty today."""
