"""What is deployed and rolled back together. Grants stand here and nowhere else."""
