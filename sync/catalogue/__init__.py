"""Each secret as last looked at, and all else that decides, under one head."""
