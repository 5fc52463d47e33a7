"""Teams, agents, users and what each of them may see."""
