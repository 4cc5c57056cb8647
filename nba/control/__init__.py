"""How marketers change what is live: change sets, checked and simulated before publishing."""
