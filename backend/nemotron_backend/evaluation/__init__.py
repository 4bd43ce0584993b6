"""How well, and how fast, does each variant answer questions that have one right answer?"""
