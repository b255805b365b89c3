"""The commands of `ghl-mailjet`, each module with one or a few that belong together."""
