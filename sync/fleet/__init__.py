"""What operators declare: vaults, lists with their policies, clusters and how they are selected and reached."""
